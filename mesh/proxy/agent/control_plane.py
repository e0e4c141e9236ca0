"""The way to the control plane: one TLS channel, verified against the root certificate we were given.

Certificates, ADS and access logs all travel over such a channel. Each call carries the bearer token, which
is read from its file every time, so a token renewed on disk is used by the next call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
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


class _Authorized:
    """A channel whose every call carries the token that is in the file when the call begins.

    Not gRPC's call credentials: they ask for the token on a thread of their own, and a channel that is closed
    while one is on its way can wait for that thread while holding the interpreter's lock: a deadlock.
    """

    def __init__(self, channel: grpc.aio.Channel, token_file: Path) -> None:
        self._channel = channel
        self._token_file = token_file

    async def __aenter__(self) -> _Authorized:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._channel.close()

    def unary_unary(self, *method: Any, **codecs: Any) -> Callable[..., Any]:
        return partial(self._call, self._channel.unary_unary(*method, **codecs))

    def stream_unary(self, *method: Any, **codecs: Any) -> Callable[..., Any]:
        return partial(self._call, self._channel.stream_unary(*method, **codecs))

    def stream_stream(self, *method: Any, **codecs: Any) -> Callable[..., Any]:
        return partial(self._call, self._channel.stream_stream(*method, **codecs))

    def _call(self, begin: Callable[..., Any], *request: Any, **options: Any) -> Any:
        """Raises OSError when the token's file cannot be read."""
        token = self._token_file.read_text().strip()
        return begin(*request, metadata=(("authorization", f"Bearer {token}"),), **options)


def open_channel(bootstrap: Bootstrap) -> grpc.aio.Channel:
    """A channel to the control plane; nothing is sent until the first call.

    Raises OSError when the root certificate's file cannot be read, and so does a call with the token's.
    """
    tls = grpc.ssl_channel_credentials(bootstrap.root_cert.read_bytes())
    channel = grpc.aio.secure_channel(bootstrap.control_plane, tls, options=_OPTIONS)
    return _Authorized(channel, bootstrap.token_file)
