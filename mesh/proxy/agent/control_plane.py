"""The way to the control plane: a TLS connection, verified against the root certificate we were given.

Certificates, ADS and access logs all travel over such a channel. Each call carries the bearer token, which
is read from its file every time, so a token renewed on disk is used by the next call.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable

from mesh.grpc.channel import Channel
from mesh.proxy.bootstrap import Bootstrap

SERVER_NAME = "istiod.istio-system.svc"  # the DNS SAN of the control plane's certificate


def open_channel(bootstrap: Bootstrap) -> Channel:
    """A channel to the control plane, not connected yet.

    Raises OSError when the root certificate's file cannot be read, and so does a call with the token's.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cadata=bootstrap.root_cert.read_text())
    context.set_alpn_protocols(["h2"])

    def authorization() -> Iterable[tuple[bytes, bytes]]:
        token = bootstrap.token_file.read_text().strip()
        return ((b"authorization", f"Bearer {token}".encode()),)

    host, _, port = bootstrap.control_plane.rpartition(":")
    return Channel((host.strip("[]"), int(port)), context, SERVER_NAME, metadata=authorization)
