"""What a signing request may ask for: only what its sender was proven to be. Pure."""

from __future__ import annotations

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from mesh.model.identity import SpiffeId

MIN_RSA_BITS = 2048
CURVES = (ec.SECP256R1, ec.SECP384R1)  # what TLS stacks of sidecars can verify


class CsrError(ValueError):
    """The request is malformed, not signed by its own key, or its key is too weak."""


class IdentityMismatch(CsrError):
    """The request asks for an identity that is not its sender's."""


def check_csr(csr_pem: str, identity: SpiffeId) -> CertificatePublicKeyTypes:
    """The public key to certify. Whatever else the request asks for is ignored.

    Raises CsrError; IdentityMismatch when it names anybody but ``identity``.
    """
    try:
        csr = x509.load_pem_x509_csr(csr_pem.encode())
        valid = csr.is_signature_valid
        key = csr.public_key()
        asked = _names(csr)
    except Exception as malformed:  # cryptography raises many kinds for what strangers may send
        raise CsrError(f"the CSR cannot be read: {malformed}") from malformed
    if not valid:
        raise CsrError("the CSR is not signed by its own key")
    if not _is_strong(key):
        raise CsrError("expected a key of EC P-256, EC P-384 or RSA with 2048 bits or more")
    if asked and asked != [str(identity)]:
        raise IdentityMismatch(f"the CSR asks for {', '.join(asked)}, but its sender is {identity}")
    return key


def _names(csr: x509.CertificateSigningRequest) -> list[str]:
    """All names of the SAN as text; a URI stands for itself, any other kind shows what it is."""
    try:
        names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [
        name.value if isinstance(name, x509.UniformResourceIdentifier) else f"{name.value!r}"
        for name in names
    ]


def _is_strong(key: CertificatePublicKeyTypes) -> bool:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, CURVES)
    return isinstance(key, rsa.RSAPublicKey) and key.key_size >= MIN_RSA_BITS
