"""A workload's key, its signing request, and the check of what came back. Pure but for the key's randomness.

The key is EC P-256, made here for each certificate; it leaves this process only to Envoy over SDS.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from mesh.model.identity import SpiffeId
from mesh.model.tls import Secrets, TlsCertificate


class BadCertificate(ValueError):
    """The control plane answered with a chain that is not for our key or our identity."""


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def signing_request(key: ec.EllipticCurvePrivateKey, identity: SpiffeId) -> str:
    """A CSR in PEM, asking for the identity as URI SAN (as Istio's agent asks)."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(str(identity))])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(names, critical=True)
        .sign(key, hashes.SHA256())
    )
    return request.public_bytes(serialization.Encoding.PEM).decode()


def read_chain(
    chain: Sequence[str], key: ec.EllipticCurvePrivateKey, identity: SpiffeId
) -> tuple[Secrets, datetime]:
    """The secrets made of the answer (leaf first, root last) and when the leaf expires.

    Raises BadCertificate when the leaf is not ours or is not signed by the next of the chain.
    """
    try:
        parsed = [x509.load_pem_x509_certificate(pem.encode()) for pem in chain]
    except ValueError as malformed:
        raise BadCertificate(f"the chain is not PEM certificates: {malformed}") from malformed
    if len(parsed) < 2:
        raise BadCertificate(f"expected a leaf and a root, got {len(parsed)} certificates")
    leaf = parsed[0]
    if leaf.public_key() != key.public_key():
        raise BadCertificate("the certificate is for another key")
    if identities(leaf) != [str(identity)]:
        raise BadCertificate(f"the certificate is for {identities(leaf)}, expected {identity}")
    try:
        leaf.verify_directly_issued_by(parsed[1])
    except (InvalidSignature, ValueError, TypeError) as mismatch:
        raise BadCertificate("the certificate is not signed by its issuer") from mismatch
    certificate = TlsCertificate("".join(chain[:-1]).encode(), _key_pem(key))
    return Secrets(certificate, chain[-1].encode()), leaf.not_valid_after_utc


def identities(certificate: x509.Certificate) -> list[str]:
    """The URIs of the certificate's SAN."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.UniformResourceIdentifier)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
