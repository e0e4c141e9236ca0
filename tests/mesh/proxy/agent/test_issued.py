from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mesh.citadel.ca import CertificateAuthority
from mesh.model.identity import SpiffeId
from mesh.proxy.agent.csr import key_pem, new_key, signing_request
from mesh.proxy.agent.issued import BadCertificate, read_chain

REVIEWS = SpiffeId("default", "bookinfo-reviews")


@pytest.fixture
def ca(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority.open(tmp_path)


def test_reads_what_the_ca_answers(ca: CertificateAuthority) -> None:
    key = new_key()
    leaf, root = ca.sign(signing_request(key, REVIEWS), REVIEWS), ca.root_pem.decode()
    secrets, expires = read_chain([leaf, root], key_pem(key), REVIEWS)
    assert secrets.certificate.chain_pem == leaf.encode()
    assert secrets.certificate.key_pem == key_pem(key)
    assert secrets.roots_pem == ca.root_pem
    assert expires == x509.load_pem_x509_certificate(leaf.encode()).not_valid_after_utc.timestamp()


def test_refuses_a_certificate_for_another_key(ca: CertificateAuthority) -> None:
    leaf = ca.sign(signing_request(new_key(), REVIEWS), REVIEWS)
    with pytest.raises(BadCertificate, match="for another key"):
        read_chain([leaf, ca.root_pem.decode()], key_pem(new_key()), REVIEWS)


def test_refuses_a_certificate_for_another_identity(ca: CertificateAuthority) -> None:
    key, other = new_key(), SpiffeId("default", "other")
    leaf = ca.sign(signing_request(key, other), other)
    with pytest.raises(BadCertificate, match="sa/other"):
        read_chain([leaf, ca.root_pem.decode()], key_pem(key), REVIEWS)


def test_refuses_a_root_that_did_not_sign(ca: CertificateAuthority, tmp_path: Path) -> None:
    key = new_key()
    leaf = ca.sign(signing_request(key, REVIEWS), REVIEWS)
    stranger = CertificateAuthority.open(tmp_path / "stranger").root_pem.decode()
    with pytest.raises(BadCertificate, match="not signed by its issuer"):
        read_chain([leaf, stranger], key_pem(key), REVIEWS)


@pytest.mark.parametrize(
    ("chain", "reason"), [([], "got 0 certificates"), (["garbage", "garbage"], "not PEM certificates")]
)
def test_refuses_what_is_no_chain(chain: list[str], reason: str) -> None:
    with pytest.raises(BadCertificate, match=reason):
        read_chain(chain, key_pem(new_key()), REVIEWS)


def test_our_clock_does_not_decide(tmp_path: Path) -> None:
    """A sidecar whose clock is a day behind has a certificate like any other."""
    tomorrow = time.time() + timedelta(days=1).total_seconds()
    ca = CertificateAuthority.open(tmp_path, now=lambda: tomorrow)
    key = new_key()
    leaf = ca.sign(signing_request(key, REVIEWS), REVIEWS)
    _, expires = read_chain([leaf, ca.root_pem.decode()], key_pem(key), REVIEWS)
    assert expires > tomorrow
