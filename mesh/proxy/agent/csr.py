"""A workload's key and its signing request, made by a program of its own.

    python -m mesh.proxy.agent.csr spiffe://...     key and CSR to its standard output, as PEM

The key is EC P-256, made here for each certificate. A sidecar needs ``cryptography`` (9 MB) for a moment once
in half a day, so it runs this and reads the key from the pipe (``csr_process``); the key is in no file, and
leaves the sidecar only to Envoy over SDS.
"""

from __future__ import annotations

import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signing_request(key: ec.EllipticCurvePrivateKey, identity: object) -> str:
    """A CSR in PEM, asking for the identity as URI SAN (as Istio's agent asks)."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(str(identity))])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(names, critical=True)
        .sign(key, hashes.SHA256())
    )
    return request.public_bytes(serialization.Encoding.PEM).decode()


if __name__ == "__main__":
    made = new_key()
    sys.stdout.write(key_pem(made).decode() + signing_request(made, sys.argv[1]))
