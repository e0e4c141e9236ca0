"""The way to the control plane: one TLS channel, verified against the root certificate we were given.

Certificates, ADS and access logs all travel over such a channel. Each call carries the bearer token, which
is read from its file every time, so a token renewed on disk is used by the next call.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc

from mesh.proxy.bootstrap import Bootstrap

SERVER_NAME = "istiod.istio-system.svc"  # the DNS SAN of the control plane's certificate

_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.ssl_target_name_override", SERVER_NAME),
    # the application's HTTP_PROXY may be in our environment too: it is this very sidecar
    ("grpc.enable_http_proxy", 0),
    # find a control plane that came back within a second (Istio's bootstrap has the same for Envoy)
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
    # notice a control plane whose host is gone; Istio's agent uses 30 s and 10 s
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # a whole configuration travels in one message
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
)


class _BearerToken(grpc.AuthMetadataPlugin):  # type: ignore[misc]
    """gRPC asks it for each call, on a thread of its own."""

    def __init__(self, token_file: Path) -> None:
        self.token_file = token_file

    def __call__(self, context: Any, callback: Any) -> None:
        try:
            token = self.token_file.read_text().strip()
        except OSError as unreadable:
            callback((), unreadable)
        else:
            callback((("authorization", f"Bearer {token}"),), None)


def open_channel(bootstrap: Bootstrap) -> grpc.aio.Channel:
    """A channel to the control plane; nothing is sent until the first call.

    Raises OSError when the root certificate's file cannot be read.
    """
    tls = grpc.ssl_channel_credentials(bootstrap.root_cert.read_bytes())
    token = grpc.metadata_call_credentials(_BearerToken(bootstrap.token_file))
    credentials = grpc.composite_channel_credentials(tls, token)
    return grpc.aio.secure_channel(bootstrap.control_plane, credentials, options=_OPTIONS)
