from __future__ import annotations

import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from mesh.citadel.ca import CaError, CertificateAuthority
from mesh.citadel.csr import CsrError
from mesh.model.identity import SpiffeId
from mesh.proxy.agent.csr import new_key, signing_request

REVIEWS = SpiffeId("default", "bookinfo-reviews")


def leaf(ca: CertificateAuthority, ttl: timedelta | None = None) -> x509.Certificate:
    return x509.load_pem_x509_certificate(ca.sign(signing_request(new_key(), REVIEWS), REVIEWS, ttl).encode())


def test_first_start_makes_a_root_of_ten_years_and_a_private_key(tmp_path: Path) -> None:
    ca = CertificateAuthority.open(tmp_path)
    life = ca.root.not_valid_after_utc - datetime.now(UTC)
    assert timedelta(days=3649) < life <= timedelta(days=3650)
    assert stat.S_IMODE((tmp_path / "citadel/ca-key.pem").stat().st_mode) == 0o600
    assert (tmp_path / "citadel/root-cert.pem").read_bytes() == ca.root_pem
    assert sorted(entry.name for entry in (tmp_path / "citadel").iterdir()) == ["ca-key.pem", "root-cert.pem"]


def test_the_next_start_uses_the_same_root(tmp_path: Path) -> None:
    first = CertificateAuthority.open(tmp_path)
    second = CertificateAuthority.open(tmp_path)
    assert second.root_pem == first.root_pem
    leaf(second).verify_directly_issued_by(first.root)


def test_a_start_that_died_before_the_root_was_written_is_made_good(tmp_path: Path) -> None:
    before = CertificateAuthority.open(tmp_path)
    (tmp_path / "citadel/root-cert.pem").unlink()
    leaf(before).verify_directly_issued_by(CertificateAuthority.open(tmp_path).root)


def test_openssl_accepts_a_leaf_for_both_purposes(ca: CertificateAuthority, tmp_path: Path) -> None:
    path = tmp_path / "leaf.pem"
    path.write_text(ca.sign(signing_request(new_key(), REVIEWS), REVIEWS))
    for purpose in ("sslserver", "sslclient"):
        verify = ["openssl", "verify", "-x509_strict", "-purpose", purpose]
        done = subprocess.run(
            [*verify, "-CAfile", tmp_path / "citadel/root-cert.pem", path], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_a_leaf_is_a_spiffe_svid(ca: CertificateAuthority) -> None:
    """X509-SVID sections 2, 4: one URI SAN, no CA, digitalSignature only, EKU server and client."""
    extensions = leaf(ca).extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.critical
    assert list(names.value) == [x509.UniformResourceIdentifier(str(REVIEWS))]
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    assert (constraints.critical, constraints.value.ca) == (True, False)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.digital_signature
    assert not usage.value.key_cert_sign
    assert not usage.value.crl_sign
    purposes = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {purpose._name for purpose in purposes} == {"serverAuth", "clientAuth"}


def test_a_leaf_lives_a_day_and_began_two_minutes_ago(tmp_path: Path) -> None:
    moment = datetime(2030, 1, 1, tzinfo=UTC)
    ca = CertificateAuthority.open(tmp_path, now=moment.timestamp)
    assert leaf(ca).not_valid_before_utc == moment - timedelta(minutes=2)
    assert leaf(ca).not_valid_after_utc == moment + timedelta(hours=24)
    assert leaf(ca, timedelta(seconds=30)).not_valid_after_utc == moment + timedelta(seconds=30)


def test_a_leaf_never_outlives_the_root(tmp_path: Path) -> None:
    root = CertificateAuthority.open(tmp_path).root
    late = (root.not_valid_after_utc - timedelta(hours=1)).timestamp()
    ca = CertificateAuthority.open(tmp_path, now=lambda: late)
    assert leaf(ca).not_valid_after_utc == root.not_valid_after_utc


@pytest.mark.parametrize("ttl", [timedelta(seconds=-1), timedelta(days=91)])
def test_an_absurd_life_is_refused(ca: CertificateAuthority, ttl: timedelta) -> None:
    with pytest.raises(CsrError, match="at most 90 days"):
        leaf(ca, ttl)


def test_the_control_plane_has_a_name_an_address_and_an_identity(ca: CertificateAuthority) -> None:
    made = ca.server_certificate("127.9.0.1")
    names = (
        x509.load_pem_x509_certificate(made.chain_pem)
        .extensions.get_extension_for_class(x509.SubjectAlternativeName)
        .value
    )
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == [
        "spiffe://cluster.local/ns/istio-system/sa/istiod"
    ]
    assert names.get_values_for_type(x509.DNSName) == ["istiod.istio-system.svc", "localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.9.0.1"]


def test_a_key_open_to_others_is_refused(tmp_path: Path) -> None:
    CertificateAuthority.open(tmp_path)
    (tmp_path / "citadel/ca-key.pem").chmod(0o644)
    with pytest.raises(CaError, match=r"ca-key\.pem: expected mode 0600, got 0644"):
        CertificateAuthority.open(tmp_path)


@pytest.mark.parametrize(
    ("file", "message"),
    [("ca-key.pem", "not a private key in PEM"), ("root-cert.pem", "not a certificate in PEM")],
)
def test_a_corrupt_file_is_named(tmp_path: Path, file: str, message: str) -> None:
    CertificateAuthority.open(tmp_path)
    (tmp_path / "citadel" / file).write_text("garbage")
    with pytest.raises(CaError, match=f"{file}: {message}"):
        CertificateAuthority.open(tmp_path)


def test_a_root_without_its_key_is_not_replaced(tmp_path: Path) -> None:
    CertificateAuthority.open(tmp_path)
    (tmp_path / "citadel/ca-key.pem").unlink()
    with pytest.raises(CaError, match="restore the key, or remove both"):
        CertificateAuthority.open(tmp_path)


def test_a_root_of_another_key_is_refused(tmp_path: Path) -> None:
    CertificateAuthority.open(tmp_path / "one")
    other = CertificateAuthority.open(tmp_path / "two")
    (tmp_path / "one/citadel/root-cert.pem").write_bytes(other.root_pem)
    with pytest.raises(CaError, match=r"root-cert\.pem: does not belong to ca-key\.pem"):
        CertificateAuthority.open(tmp_path / "one")


def test_an_expired_root_is_refused(tmp_path: Path) -> None:
    CertificateAuthority.open(tmp_path, now=lambda: 1e9)
    with pytest.raises(CaError, match="expired on 2011-09-0"):
        CertificateAuthority.open(tmp_path)
