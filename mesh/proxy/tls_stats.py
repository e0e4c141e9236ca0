"""Envoy's ``ssl.`` counters, of a listener or of a cluster (Envoy reference, TLS statistics)."""

from __future__ import annotations

import ssl

from mesh.proxy.handshake import HandshakeError
from mesh.proxy.peer_certificate import PeerCertificate
from mesh.proxy.stats import Stats


class TlsStats:
    """``prefix`` is all before ``ssl.``. A peer that only goes away is no error, as in Envoy."""

    __slots__ = (
        "connection_error",
        "fail_verify_error",
        "fail_verify_no_cert",
        "fail_verify_san",
        "handshake",
        "no_certificate",
        "session_reused",
    )

    def __init__(self, stats: Stats, prefix: str) -> None:
        self.connection_error = stats.counter(f"{prefix}ssl.connection_error")
        self.fail_verify_error = stats.counter(f"{prefix}ssl.fail_verify_error")
        self.fail_verify_no_cert = stats.counter(f"{prefix}ssl.fail_verify_no_cert")
        self.fail_verify_san = stats.counter(f"{prefix}ssl.fail_verify_san")
        self.handshake = stats.counter(f"{prefix}ssl.handshake")
        self.no_certificate = stats.counter(f"{prefix}ssl.no_certificate")
        self.session_reused = stats.counter(f"{prefix}ssl.session_reused")

    def secured(self, connection: ssl.SSLObject, peer: PeerCertificate) -> None:
        """``peer`` is who was verified, if anybody."""
        self.handshake.value += 1
        if connection.session_reused:
            self.session_reused.value += 1
        if not peer.encoded and connection.getpeercert(True) is None:
            self.no_certificate.value += 1

    def failed(self, error: HandshakeError) -> None:
        if error.kind == "verify":
            self.fail_verify_error.value += 1
        elif error.kind == "no_cert":
            self.fail_verify_no_cert.value += 1
        elif error.kind == "san":
            self.fail_verify_san.value += 1
        elif error.kind == "protocol":
            self.connection_error.value += 1
