"""Why there is no TLS with a peer, in Envoy's words."""

from __future__ import annotations

import ssl
from typing import Literal

# TLS itself went wrong; the peer's certificate is not vouched for, not shown, names somebody else; it left
HandshakeProblem = Literal["protocol", "verify", "no_cert", "san", "gone"]


class HandshakeError(Exception):
    """No TLS with this peer; the text is the reason, in Envoy's words."""

    def __init__(self, reason: str, kind: HandshakeProblem) -> None:
        super().__init__(reason)
        self.kind = kind


def handshake_error(error: Exception) -> HandshakeError:
    """OpenSSL's words in the shape of Envoy's transport failure reason."""
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = f"CERTIFICATE_VERIFY_FAILED:{error.verify_message}"
        return HandshakeError(f"TLS_error:{reason}:TLS_error_end", "verify")
    reason = getattr(error, "reason", None) or str(error)
    kind: HandshakeProblem = "no_cert" if reason == "PEER_DID_NOT_RETURN_A_CERTIFICATE" else "protocol"
    return HandshakeError(f"TLS_error:{reason}:TLS_error_end", kind)
