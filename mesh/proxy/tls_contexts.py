"""SSL contexts made from the workload's secrets, without a key ever touching a disk.

A context is made once for each way of using TLS and kept until the secrets change; then new connections get
new contexts, and live ones go on with the certificate they shook hands with.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable

from mesh.model.tls import DownstreamTls, Secrets, UpstreamTls


class NoCertificate(Exception):
    """TLS was asked for before the workload has a certificate."""


class TlsContexts:
    """``update`` with each new set of secrets."""

    def __init__(self) -> None:
        self.secrets: Secrets | None = None
        self._servers: dict[DownstreamTls, ssl.SSLContext] = {}
        self._clients: dict[tuple[str, ...], ssl.SSLContext] = {}

    def update(self, secrets: Secrets) -> None:
        """Raises ssl.SSLError when they are no certificate, key and roots; the old ones then stay."""
        make_context(ssl.PROTOCOL_TLS_SERVER, secrets)
        self.secrets = secrets
        self._servers.clear()
        self._clients.clear()

    def server(self, tls: DownstreamTls) -> ssl.SSLContext:
        context = self._servers.get(tls)
        if context is None:
            context = make_context(ssl.PROTOCOL_TLS_SERVER, self._current(), tls.alpn)
            if tls.require_client_certificate:
                context.verify_mode = ssl.CERT_REQUIRED
            self._servers[tls] = context
        return context

    def client(self, tls: UpstreamTls) -> ssl.SSLContext:
        """The context verifies the chain; ``peer_matches`` the SPIFFE id, after the handshake."""
        context = self._clients.get(tls.alpn)
        if context is None:
            context = make_context(ssl.PROTOCOL_TLS_CLIENT, self._current(), tls.alpn)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_REQUIRED
            self._clients[tls.alpn] = context
        return context

    def _current(self) -> Secrets:
        if self.secrets is None:
            raise NoCertificate("no workload certificate yet")
        return self.secrets


def make_context(protocol: int, secrets: Secrets, alpn: Iterable[str] = ()) -> ssl.SSLContext:
    """With our certificate and the roots. Raises ssl.SSLError when they are none."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Istio's minimum
    context.load_verify_locations(cadata=secrets.roots_pem.decode())
    _load_certificate(context, secrets)
    names = list(alpn)
    if names:
        context.set_alpn_protocols(names)
    return context


def _load_certificate(context: ssl.SSLContext, secrets: Secrets) -> None:
    """The ssl module wants a file: an anonymous one in memory, gone when it is closed."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        content = secrets.certificate.key_pem.rstrip() + b"\n" + secrets.certificate.chain_pem
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
