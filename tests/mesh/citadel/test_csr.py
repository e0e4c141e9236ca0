from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mesh.citadel.csr import CsrError, IdentityMismatch, check_csr
from mesh.model.identity import SpiffeId

REVIEWS = SpiffeId("default", "bookinfo-reviews")
RATINGS = SpiffeId("default", "bookinfo-ratings")


def csr(*names: x509.GeneralName, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    request = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def uri(identity: SpiffeId) -> x509.UniformResourceIdentifier:
    return x509.UniformResourceIdentifier(str(identity))


def test_gives_the_key_of_a_request_for_the_senders_identity() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    assert check_csr(csr(uri(REVIEWS), key=key), REVIEWS) == key.public_key()


def test_a_request_may_name_nobody() -> None:
    check_csr(csr(), REVIEWS)


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([uri(RATINGS)], id="another account"),
        pytest.param([uri(REVIEWS), uri(RATINGS)], id="one more"),
        pytest.param([x509.DNSName("reviews")], id="a DNS name"),
        pytest.param([uri(REVIEWS), x509.DNSName(str(REVIEWS))], id="the identity as another kind too"),
        pytest.param([x509.DNSName(str(REVIEWS))], id="the identity as another kind"),
    ],
)
def test_no_other_name_is_granted(names: list[x509.GeneralName]) -> None:
    with pytest.raises(
        IdentityMismatch, match=r"its sender is spiffe://cluster.local/ns/default/sa/bookinfo-reviews"
    ):
        check_csr(csr(*names), REVIEWS)


@pytest.mark.parametrize(
    "text", ["", "hello", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"]
)
def test_what_is_no_csr_is_refused(text: str) -> None:
    with pytest.raises(CsrError, match="cannot be read"):
        check_csr(text, REVIEWS)


def test_a_request_signed_by_another_key_is_refused() -> None:
    der = bytearray(
        x509.load_pem_x509_csr(csr(uri(REVIEWS)).encode()).public_bytes(serialization.Encoding.DER)
    )
    at = der.index(b"bookinfo-reviews")
    der[at : at + 16] = b"bookinfo-ratings"
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(CsrError, match="not signed by its own key"):
        check_csr(forged, RATINGS)


def test_a_weak_key_is_refused() -> None:
    with pytest.raises(CsrError, match="expected a key of"):
        check_csr(csr(key=rsa.generate_private_key(65537, 1024)), REVIEWS)
    with pytest.raises(CsrError, match="expected a key of"):
        check_csr(csr(key=ec.generate_private_key(ec.SECP224R1())), REVIEWS)
