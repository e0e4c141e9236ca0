from __future__ import annotations

import subprocess
import sys

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from mesh.model.identity import SpiffeId
from mesh.proxy.agent.csr import key_pem, new_key, signing_request

REVIEWS = SpiffeId("default", "bookinfo-reviews")


def uris(csr: x509.CertificateSigningRequest) -> list[str]:
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical, "the subject is empty (RFC 5280 section 4.2.1.6)"
    return names.value.get_values_for_type(x509.UniformResourceIdentifier)


def test_a_request_is_for_its_key_and_asks_for_the_identity() -> None:
    key = new_key()
    csr = x509.load_pem_x509_csr(signing_request(key, REVIEWS).encode())
    assert csr.is_signature_valid
    assert csr.public_key() == key.public_key()
    assert uris(csr) == [str(REVIEWS)]


def test_keys_are_p256_and_each_is_another() -> None:
    assert isinstance(new_key().curve, ec.SECP256R1)
    assert key_pem(new_key()) != key_pem(new_key())


def test_as_a_program_it_writes_both_and_nothing_else() -> None:
    command = [sys.executable, "-m", "mesh.proxy.agent.csr", str(REVIEWS)]
    ended = subprocess.run(command, capture_output=True, check=True, text=True)
    assert [line for line in ended.stdout.splitlines() if line.startswith("-----BEGIN")] == [
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE REQUEST-----",
    ]
    assert ended.stderr == ""
