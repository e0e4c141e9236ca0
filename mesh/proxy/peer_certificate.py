"""What a TLS peer's certificate says: its SPIFFE id, and Envoy's x-forwarded-client-cert element."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from mesh.remember import remember

# RFC 4514 short names, as Envoy prints a subject
_SHORT = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "localityName": "L",
    "stateOrProvinceName": "ST",
}
_MISMATCH = (  # Envoy's words, BoringSSL's code and all
    "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:"
    "verify cert failed: SAN matcher, certificate SANs are [{}]:TLS_error_end"
)
_MATCHED = frozenset({"DNS", "URI", "IP Address"})
_KNOWN_MAX = 256
_known: dict[bytes, PeerCertificate] = {}  # who comes again is not read again; by DER


@dataclass(frozen=True, slots=True)
class PeerCertificate:
    """``names``: (kind, value) of the subject alternative names, kinds as in ``SSLObject.getpeercert()``."""

    encoded: bytes = b""  # DER; b"": there is none
    names: tuple[tuple[str, str], ...] = ()
    subject: str = ""  # as Envoy prints it

    def of_kind(self, wanted: str) -> list[str]:
        return [value for kind, value in self.names if kind == wanted]

    @property
    def principal(self) -> str:
        """The SPIFFE URI; "" when an id is not in it."""
        uris = self.of_kind("URI")
        return uris[0] if uris else ""

    def matches(self, allowed: Collection[str]) -> bool:
        """Whether one of the SANs is allowed; an empty list allows everyone the roots vouch for.

        A DNS name of the certificate may be a wildcard of one label (RFC 6125 6.4.3).
        """
        if not allowed:
            return True
        return any(
            _covers(value.lower(), allowed) if kind == "DNS" else kind in _MATCHED and value in allowed
            for kind, value in self.names
        )

    def mismatch(self) -> str:
        """Why a peer is refused that does not match."""
        return _MISMATCH.format(", ".join(value for _, value in self.names))

    def element(self, own_principal: str, *, with_pem: bool = False) -> bytes:
        """``By=...;Hash=...;Cert="...";Subject="...";URI=...;DNS=...``; nothing when the client showed no
        certificate. By is for who has a principal, Cert where it is asked for, URI even if the client has
        none.
        """
        return _element(self, own_principal, with_pem) if self.encoded else b""


NO_CERTIFICATE = PeerCertificate()


def peer_certificate(connection: ssl.SSLObject) -> PeerCertificate:
    """The verified peer's; where nobody is verified, nobody is known."""
    encoded = connection.getpeercert(True)
    if not encoded or connection.context.verify_mode is ssl.CERT_NONE:
        return NO_CERTIFICATE
    known = _known.get(encoded)
    if known is None:
        read = read_certificate(encoded, connection.getpeercert() or {})
        known = remember(_known, encoded, read, _KNOWN_MAX)
    return known


def read_certificate(encoded: bytes, certificate: Mapping[str, Any]) -> PeerCertificate:
    """Of what ``SSLObject.getpeercert()`` gave. Pure."""
    return PeerCertificate(encoded, tuple(certificate.get("subjectAltName", ())), _subject(certificate))


@lru_cache(_KNOWN_MAX)  # as who comes again is not read again
def _element(peer: PeerCertificate, own_principal: str, with_pem: bool) -> bytes:
    parts = [f"By={own_principal}"] if own_principal else []
    parts.append(f"Hash={hashlib.sha256(peer.encoded).hexdigest()}")
    if with_pem:
        parts.append(f'Cert="{quote(ssl.DER_cert_to_PEM_cert(peer.encoded), safe="")}"')
    parts.append(f'Subject="{peer.subject}"')
    parts += [f"URI={name}" for name in peer.of_kind("URI") or [""]]
    parts += [f"DNS={name}" for name in peer.of_kind("DNS")]
    return ";".join(parts).encode()


def _covers(pattern: str, allowed: Collection[str]) -> bool:
    if not pattern.startswith("*."):
        return any(name.lower() == pattern for name in allowed)
    return any(name.lower().partition(".")[1:] == (".", pattern[2:]) for name in allowed)


def _subject(certificate: Mapping[str, Any]) -> str:
    names = [
        f"{_SHORT.get(kind, kind)}={value}"
        for group in reversed(certificate.get("subject", ()))
        for kind, value in group
    ]
    return ",".join(names).replace("\\", "\\\\").replace('"', '\\"')
