"""The certificate authority: a self-signed root, made on the first start and kept in the data directory.

<data>/citadel/ca-key.pem     EC P-256, mode 0600
<data>/citadel/root-cert.pem  what every sidecar is given to verify others, and us, with
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mesh.citadel.certificate import leaf_certificate, root_certificate
from mesh.citadel.csr import CsrError, check_csr
from mesh.citadel.private_file import PrivateFileError, create_private, read_private
from mesh.model.identity import DEFAULT_TRUST_DOMAIN, SpiffeId
from mesh.model.tls import TlsCertificate

DIRECTORY = "citadel"
KEY_FILE = "ca-key.pem"
ROOT_FILE = "root-cert.pem"

DEFAULT_TTL = timedelta(hours=24)  # Istio's DEFAULT_WORKLOAD_CERT_TTL
MAX_TTL = timedelta(days=90)  # Istio's MAX_WORKLOAD_CERT_TTL

CONTROL_PLANE_IDENTITY = SpiffeId("istio-system", "istiod")
CONTROL_PLANE_HOSTS = ("istiod.istio-system.svc", "localhost")


class CaError(Exception):
    """The CA's files cannot be used; the text names the file and says why."""


class CertificateAuthority:
    """Signs for identities that somebody else has authenticated. ``now`` is seconds since the epoch."""

    def __init__(
        self, key: ec.EllipticCurvePrivateKey, root: x509.Certificate, now: Callable[[], float] = time.time
    ) -> None:
        self._key = key
        self._now = now
        self.root = root
        self.root_pem = root.public_bytes(serialization.Encoding.PEM)

    @classmethod
    def open(
        cls,
        data_dir: Path,
        *,
        trust_domain: str = DEFAULT_TRUST_DOMAIN,
        now: Callable[[], float] = time.time,
    ) -> CertificateAuthority:
        """The CA of a data directory, made when there is none. Raises CaError."""
        directory = data_dir / DIRECTORY
        key = _open_key(directory / KEY_FILE, directory / ROOT_FILE)
        root = _open_root(directory / ROOT_FILE, key, trust_domain, _utc(now()))
        return cls(key, root, now)

    def sign(self, csr_pem: str, identity: SpiffeId, ttl: timedelta | None = None) -> str:
        """The workload's certificate in PEM, for the key of the CSR. Nothing of the chain stands between
        it and ``root_pem``. Raises CsrError when the request is not acceptable for this identity."""
        ttl = ttl or DEFAULT_TTL
        if not timedelta(0) < ttl <= MAX_TTL:
            raise CsrError(f"expected a life of more than 0 and at most {MAX_TTL.days} days, got {ttl}")
        public_key = check_csr(csr_pem, identity)
        leaf = leaf_certificate(self.root, self._key, public_key, identity, _utc(self._now()), ttl)
        return leaf.public_bytes(serialization.Encoding.PEM).decode()

    def server_certificate(self, address: str, ttl: timedelta = DEFAULT_TTL) -> TlsCertificate:
        """A fresh key and certificate for the control plane itself, listening on ``address`` (IP or name)."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = leaf_certificate(
            self.root,
            self._key,
            key.public_key(),
            CONTROL_PLANE_IDENTITY,
            _utc(self._now()),
            ttl,
            hosts=dict.fromkeys((*CONTROL_PLANE_HOSTS, address)),
        )
        return TlsCertificate(leaf.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def _open_key(path: Path, root_path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        pem = read_private(path)
    except FileNotFoundError:
        if root_path.exists():
            raise CaError(
                f"{root_path} is there but its key {path.name} is not: restore the key, or remove both"
            ) from None
        pem = create_private(path, _key_pem(ec.generate_private_key(ec.SECP256R1())))
    except PrivateFileError as exposed:
        raise CaError(str(exposed)) from exposed
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as corrupt:
        raise CaError(f"{path}: not a private key in PEM: {corrupt}") from corrupt
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CaError(f"{path}: expected an EC key, got {type(key).__name__}")
    return key


def _open_root(
    path: Path, key: ec.EllipticCurvePrivateKey, trust_domain: str, now: datetime
) -> x509.Certificate:
    if not path.exists():
        root = root_certificate(key, trust_domain, now)
        _write_whole(path, root.public_bytes(serialization.Encoding.PEM))
        return root
    try:
        root = x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as corrupt:
        raise CaError(f"{path}: not a certificate in PEM: {corrupt}") from corrupt
    if root.public_key() != key.public_key():
        raise CaError(f"{path}: does not belong to {KEY_FILE}")
    if root.not_valid_after_utc <= now:
        raise CaError(f"{path}: expired on {root.not_valid_after_utc:%Y-%m-%d}")
    return root


def _write_whole(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_bytes(content)
    draft.replace(path)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _utc(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)
