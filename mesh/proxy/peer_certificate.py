"""What a TLS peer's certificate says: its SPIFFE id, and Envoy's x-forwarded-client-cert element. Pure."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import quote

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


def uri_names(certificate: Mapping[str, Any] | None) -> list[str]:
    """The URI SANs of what ``SSLObject.getpeercert()`` gave."""
    return _alt_names(certificate, "URI")


def _alt_names(certificate: Mapping[str, Any] | None, wanted: str) -> list[str]:
    return [value for kind, value in _all_names(certificate) if kind == wanted]


def _all_names(certificate: Mapping[str, Any] | None) -> tuple[tuple[str, str], ...]:
    names: tuple[tuple[str, str], ...] = (certificate or {}).get("subjectAltName", ())
    return names


def principal(connection: ssl.SSLObject) -> str:
    """The verified peer's SPIFFE URI; "" when it showed no certificate or an id is not in it."""
    names = uri_names(connection.getpeercert())
    return names[0] if names else ""


def peer_matches(connection: ssl.SSLObject, allowed: Collection[str]) -> bool:
    """Whether one of the peer's SANs is allowed; an empty list allows everyone the roots vouch for.

    A DNS name of the certificate may be a wildcard of one label (RFC 6125 6.4.3).
    """
    if not allowed:
        return True
    return any(
        _covers(value.lower(), allowed)
        if kind == "DNS"
        else kind in ("URI", "IP Address") and value in allowed
        for kind, value in _all_names(connection.getpeercert())
    )


def _covers(pattern: str, allowed: Collection[str]) -> bool:
    if not pattern.startswith("*."):
        return any(name.lower() == pattern for name in allowed)
    return any(name.lower().partition(".")[1:] == (".", pattern[2:]) for name in allowed)


def mismatch(connection: ssl.SSLObject) -> str:
    """Why a peer is refused that does not match."""
    return _MISMATCH.format(", ".join(value for _, value in _all_names(connection.getpeercert())))


def client_cert_element(connection: ssl.SSLObject, own_principal: str, *, with_pem: bool = False) -> bytes:
    """``By=...;Hash=...;Cert="...";Subject="...";URI=...;DNS=...``; nothing when the client showed no
    certificate. By is for who has a principal, Cert where it is asked for, URI even if the client has none.
    """
    encoded = connection.getpeercert(True)
    if not encoded:
        return b""
    certificate = connection.getpeercert()
    parts = [f"By={own_principal}"] if own_principal else []
    parts.append(f"Hash={hashlib.sha256(encoded).hexdigest()}")
    if with_pem:
        parts.append(f'Cert="{quote(ssl.DER_cert_to_PEM_cert(encoded), safe="")}"')
    parts.append(f'Subject="{_subject(certificate)}"')
    parts += [f"URI={name}" for name in uri_names(certificate) or [""]]
    parts += [f"DNS={name}" for name in _alt_names(certificate, "DNS")]
    return ";".join(parts).encode()


def _subject(certificate: Mapping[str, Any] | None) -> str:
    names = [
        f"{_SHORT.get(kind, kind)}={value}"
        for group in reversed((certificate or {}).get("subject", ()))
        for kind, value in group
    ]
    return ",".join(names).replace("\\", "\\\\").replace('"', '\\"')
