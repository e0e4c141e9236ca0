"""What is known of a downstream connection before any protocol speaks on it; texts are made once."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

Address = tuple[str, int]


@dataclass(slots=True)
class ConnectionInfo:
    """``local`` is where the client meant to go: the original destination, when it was redirected.

    ``client_cert`` is the x-forwarded-client-cert element of a verified client, b"" without one.
    """

    remote_text: str = ""
    local_text: str = ""
    local: Address = ("", 0)
    original_dst: Address | None = None
    transport_protocol: str = "raw_buffer"
    server_name: str = ""
    application_protocols: tuple[str, ...] = ()
    application_protocol: str = ""  # what ALPN agreed on
    offers_session: bool = False  # of TLS, to be resumed
    tls_version: str = ""
    peer_principal: str = ""
    local_principal: str = ""
    client_cert: bytes = b""
    scheme: bytes = b"http"
    accepted_at: float = field(default_factory=monotonic)

    @property
    def remote_ip(self) -> bytes:
        """The client's address without its port."""
        return self.remote_text.rpartition(":")[0].strip("[]").encode()


def address_text(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
