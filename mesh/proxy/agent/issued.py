"""The check of a certificate that was issued to us: by the handshake that our peers will do with it.

In memory and with our own root, so that key, identity and signature are checked by the same code (OpenSSL's)
that decides about connections later. Only the clock is left out: whose clock counts is the peers' affair.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from typing import Any

from mesh.model.identity import SpiffeId
from mesh.model.tls import Secrets, TlsCertificate
from mesh.proxy.peer_certificate import read_certificate
from mesh.proxy.tls_contexts import make_context

_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for
_ROUNDS = 4  # more than a handshake has flights


class BadCertificate(ValueError):
    """The control plane answered with a chain that is not for our key or our identity."""


def read_chain(chain: Sequence[str], key_pem: bytes, identity: SpiffeId) -> tuple[Secrets, float]:
    """The secrets made of the answer (leaf first, root last), and when the leaf expires (epoch seconds).

    Raises BadCertificate when the leaf is not ours or is not signed by the next of the chain.
    """
    if len(chain) < 2:
        raise BadCertificate(f"expected a leaf and a root, got {len(chain)} certificates")
    secrets = Secrets(TlsCertificate("".join(chain[:-1]).encode(), key_pem), chain[-1].encode())
    certificate = _seen_by_a_peer(secrets)
    uris = read_certificate(b"", certificate).of_kind("URI")
    if uris != [str(identity)]:
        raise BadCertificate(f"the certificate is for {uris}, expected {identity}")
    return secrets, float(ssl.cert_time_to_seconds(certificate["notAfter"]))


def _seen_by_a_peer(secrets: Secrets) -> Mapping[str, Any]:
    try:
        server = make_context(ssl.PROTOCOL_TLS_SERVER, secrets)
        client = make_context(ssl.PROTOCOL_TLS_CLIENT, secrets)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise BadCertificate("the certificate is for another key") from error
        raise BadCertificate(f"the chain is not PEM certificates: {error}") from error
    client.check_hostname = False
    client.verify_flags |= _NO_CHECK_TIME
    try:
        return _shake_hands(client, server)
    except ssl.SSLCertVerificationError as mismatch:
        raise BadCertificate(
            f"the certificate is not signed by its issuer: {mismatch.verify_message}"
        ) from mismatch


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> Mapping[str, Any]:
    """What the client sees. Raises ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_side=False)
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(_ROUNDS):
        for side in (asking, answering):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return asking.getpeercert() or {}
