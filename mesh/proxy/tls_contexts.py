"""SSL contexts made from secrets, the workload's own and those named by the control plane, without a key ever
touching a disk.

A context is made once for each way of using TLS and kept until the secrets change; then new connections get
new contexts, and live ones go on with the certificate they shook hands with.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path

from mesh.model.names import FILE_CERTIFICATE, FILE_ROOTS, ROOT_SECRET, WORKLOAD_SECRET
from mesh.model.tls import DownstreamTls, Secret, Secrets, TlsCertificate, TlsVersion, UpstreamTls
from mesh.proxy.openssl import order_suites
from mesh.xds.errors import Rejected

_VERSIONS: Mapping[TlsVersion, ssl.TLSVersion] = {
    "TLSv1_2": ssl.TLSVersion.TLSv1_2,
    "TLSv1_3": ssl.TLSVersion.TLSv1_3,
}


# A context remembers no more: 1.2 kB each, but 11 kB with a peer's certificate that no other session shares.
# OpenSSL's own limit, 20,480, would be 220 MB. From half of it on, who offers a session takes no other along.
MAX_SESSIONS = 2048


class NoCertificate(Exception):
    """TLS was asked for before its certificate, or what peers are verified against, has come."""


class TlsContexts:
    """``update`` with each new set of the workload's secrets, ``take`` with each new set of named ones."""

    def __init__(self) -> None:
        self.secrets: Secrets | None = None
        self.named: dict[str, Secret] = {}
        self._servers: dict[DownstreamTls, ssl.SSLContext] = {}
        self._clients: dict[tuple[tuple[str, ...], str, str], ssl.SSLContext] = {}

    def update(self, secrets: Secrets) -> None:
        """Raises ssl.SSLError when they are no certificate, key and roots; the old ones then stay."""
        make_context(ssl.PROTOCOL_TLS_SERVER, secrets)
        self.secrets = secrets
        self._servers.clear()
        self._clients.clear()

    def check(self, secrets: Iterable[Secret]) -> None:
        """Raises Rejected, naming the secret, when one is no certificate with its key, or no roots."""
        for secret in secrets:
            if self.named.get(secret.name) == secret:
                continue
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            try:
                _load(context, secret.content)
            except (ssl.SSLError, UnicodeDecodeError) as error:
                raise Rejected(f"secret {secret.name}: {error}") from None

    def take(self, secrets: Iterable[Secret]) -> None:
        """Those that passed ``check``."""
        named = {secret.name: secret for secret in secrets}
        if named != self.named:
            self.named = named
            self._servers.clear()
            self._clients.clear()

    def server(self, tls: DownstreamTls, *, offers_session: bool = False) -> ssl.SSLContext:
        """For the next connection, whose client ``offers_session``. Raises NoCertificate.

        One that remembers too much is replaced, and goes with its last connection.
        """
        context = self._servers.get(tls)
        sessions = context.session_stats()["number"] if context is not None else 0
        if context is None or sessions >= MAX_SESSIONS:
            context = self._servers[tls] = self._make_server(tls)
        context.num_tickets = 0 if offers_session and sessions >= MAX_SESSIONS // 2 else 1
        return context

    def _make_server(self, tls: DownstreamTls) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[tls.min_version]
        context.maximum_version = _VERSIONS[tls.max_version]
        # sessions stay here and do not travel in tickets: those hold the peer's certificate, and to read it
        # takes OpenSSL 3.0 longer than all the rest of a resumed handshake
        context.options |= ssl.OP_NO_TICKET
        order_suites(context)
        if tls.cipher_suites:
            context.set_ciphers(":".join(tls.cipher_suites))
        _load(context, self._content(tls.certificate))
        if tls.validation:
            _load(context, self._content(tls.validation))
            required = tls.require_client_certificate
            context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
        if tls.alpn:
            context.set_alpn_protocols(list(tls.alpn))
        return context

    def client(self, tls: UpstreamTls) -> ssl.SSLContext:
        """It verifies the chain; ``peer_matches`` the names, after the handshake. Raises NoCertificate."""
        key = (tls.alpn, tls.certificate, tls.validation)
        context = self._clients.get(key)
        if context is None:
            context = self._clients[key] = self._make_client(tls)
        return context

    def _make_client(self, tls: UpstreamTls) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2  # Istio's minimum
        context.check_hostname = False
        order_suites(context)
        context.verify_mode = ssl.CERT_REQUIRED if tls.validation else ssl.CERT_NONE
        for name in filter(None, (tls.certificate, tls.validation)):
            try:
                _load(context, self._content(name))
            except (ssl.SSLError, UnicodeDecodeError) as error:
                raise NoCertificate(f"{name}: {error}") from None
        if tls.alpn:
            context.set_alpn_protocols(list(tls.alpn))
        return context

    def _current(self) -> Secrets:
        if self.secrets is None:
            raise NoCertificate("no workload certificate yet")
        return self.secrets

    def _content(self, name: str) -> TlsCertificate | bytes:
        if name == WORKLOAD_SECRET:
            return self._current().certificate
        if name == ROOT_SECRET:
            return self._current().roots_pem
        if name.startswith((FILE_CERTIFICATE, FILE_ROOTS)):
            return _read_files(name)
        secret = self.named.get(name)
        if secret is None:
            raise NoCertificate(f"no secret {name} yet")
        return secret.content


def _read_files(name: str) -> TlsCertificate | bytes:
    """What a user has put beside the proxy. Read once, and again when secrets change."""
    try:
        if name.startswith(FILE_ROOTS):
            return Path(name.removeprefix(FILE_ROOTS)).read_bytes()
        chain, _, key = name.removeprefix(FILE_CERTIFICATE).partition("~")
        return TlsCertificate(Path(chain).read_bytes(), Path(key).read_bytes())
    except OSError as error:
        raise NoCertificate(f"{error.filename}: {error.strerror}") from None


def make_context(protocol: int, secrets: Secrets) -> ssl.SSLContext:
    """With our certificate and the roots. Raises ssl.SSLError when they are none."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # Istio's minimum
    _load(context, secrets.roots_pem)
    _load(context, secrets.certificate)
    return context


def _load(context: ssl.SSLContext, secret: TlsCertificate | bytes) -> None:
    """A certificate to show, or roots to verify by. The ssl module wants the former in a file: an anonymous
    one in memory, gone when it is closed. Raises ssl.SSLError, UnicodeDecodeError."""
    if isinstance(secret, bytes):
        context.load_verify_locations(cadata=secret.decode("ascii"))
        return
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        content = secret.key_pem.rstrip() + b"\n" + secret.chain_pem
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
