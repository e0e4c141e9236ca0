"""Transport contexts and the secrets they name. Keys and certificates are PEM bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mesh.model.names import ROOT_SECRET, WORKLOAD_SECRET

TlsVersion = Literal["TLSv1_2", "TLSv1_3"]


@dataclass(frozen=True, slots=True)
class DownstreamTls:
    """How a filter chain ends TLS: a certificate and a trust bundle, both named for SDS.

    Where there is a ``validation``, clients are asked for a certificate, and a bad one is refused.
    """

    alpn: tuple[str, ...]
    require_client_certificate: bool = True
    certificate: str = WORKLOAD_SECRET
    validation: str = ROOT_SECRET
    min_version: TlsVersion = "TLSv1_2"  # Istio's
    max_version: TlsVersion = "TLSv1_3"
    cipher_suites: tuple[str, ...] = ()  # of TLS 1.2, by OpenSSL's names; () = the engine's own


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    """How a cluster originates TLS. One of the peer's SANs must be one of ``subject_alt_names`` (when given).

    ``certificate`` "" shows none, ``validation`` "" verifies nothing.
    """

    sni: str
    alpn: tuple[str, ...]
    subject_alt_names: tuple[str, ...] = ()
    certificate: str = WORKLOAD_SECRET
    validation: str = ROOT_SECRET


@dataclass(frozen=True, slots=True)
class TlsCertificate:
    """A workload's chain (leaf first) and its private key; ``repr`` never shows the key."""

    chain_pem: bytes
    key_pem: bytes

    def __repr__(self) -> str:
        return f"TlsCertificate({len(self.chain_pem)} bytes of chain)"


@dataclass(frozen=True, slots=True)
class Secrets:
    """What SDS serves a workload: its certificate (``default``) and its trust bundle (``ROOTCA``)."""

    certificate: TlsCertificate
    roots_pem: bytes


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret by its SDS name: a certificate with its key, or (bytes) PEM roots; ``repr`` shows the name."""

    name: str
    content: TlsCertificate | bytes

    def __repr__(self) -> str:
        return f"Secret({self.name!r})"
