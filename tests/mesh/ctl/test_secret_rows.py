from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from mesh.ctl.secret_rows import secret_rows

START = datetime(2026, 1, 1, tzinfo=UTC)


def certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key(), 0xABC)
        .not_valid_before(START)
        .not_valid_after(START + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(Encoding.PEM)).decode()


def dump(chain: str) -> dict[str, object]:
    secret = {
        "name": "default",
        "secret": {"tls_certificate": {"certificate_chain": {"inline_bytes": chain}}},
    }
    part = {
        "@type": "x.SecretsConfigDump",
        "dynamic_active_secrets": [secret],
        "dynamic_warming_secrets": [{"name": "ROOTCA"}],
    }
    return {"configs": [part]}


def test_a_certificate_is_valid_between_its_two_times() -> None:
    chain = certificate()
    for hours, valid in ((-1, "false"), (1, "true"), (25, "false")):
        row = secret_rows(dump(chain), START + timedelta(hours=hours))[0]
        assert row == (
            *("default", "Cert Chain", "ACTIVE", valid, "abc"),
            *("2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"),
        )


def test_what_is_no_certificate_and_what_has_not_come_are_not_valid() -> None:
    assert [row[:4] for row in secret_rows(dump("AAAA"), START)] == [
        ("default", "Cert Chain", "ACTIVE", "false"),
        ("ROOTCA", "", "WARMING", "false"),
    ]
