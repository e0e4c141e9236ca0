"""A Secret's certificate and key are readable and belong together; its content is in no message."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from labs.harness.authority import Authority
from mesh.galley.api.secret import Secret
from mesh.galley.checks.secret import check_secret
from mesh.galley.parse import parse
from mesh.galley.sources.api import to_yaml

AUTHORITY = Authority()
PAIR = AUTHORITY.issue("site", "site.example")
OTHER = AUTHORITY.issue("other", "other.example")
CERT, KEY, ROOTS = PAIR.chain_pem.decode(), PAIR.key_pem.decode(), AUTHORITY.root_pem.decode()


def secret(type_: str = "Opaque", **parts: Any) -> Secret:
    """The parts in stringData, "_" for "."."""
    given = {word.replace("_", "."): text for word, text in parts.items()}
    return Secret.model_validate(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "site", "namespace": "default"},
            "type": type_,
            "stringData": given,
        }
    )


def problems(candidate: Secret) -> list[str]:
    return [f"{one.severity} {'.'.join(map(str, one.loc))}: {one.message}" for one in check_secret(candidate)]


@pytest.mark.parametrize(
    "candidate",
    [
        secret("kubernetes.io/tls", tls_crt=CERT, tls_key=KEY),
        secret(tls_crt=CERT, tls_key=KEY, ca_crt=ROOTS),
        secret(cert=CERT, key=KEY, cacert=ROOTS),
        secret(ca_crt=ROOTS),
    ],
)
def test_good_ones_pass(candidate: Secret) -> None:
    assert problems(candidate) == []


def test_the_parts_are_found_by_either_name() -> None:
    for candidate in (
        secret(tls_crt=CERT, tls_key=KEY, ca_crt=ROOTS),
        secret(cert=CERT, key=KEY, cacert=ROOTS),
    ):
        assert candidate.certificate == PAIR
        assert candidate.roots_pem == AUTHORITY.root_pem


def test_data_is_base64_with_or_without_line_breaks() -> None:
    encoded = base64.encodebytes(PAIR.chain_pem).decode()
    candidate = secret().model_copy(update={"data": {"tls.crt": encoded}})
    assert candidate.part(("tls.crt",)) == PAIR.chain_pem


def ed25519_key() -> str:
    key = ed25519.Ed25519PrivateKey.generate()
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    return key.private_bytes(*formats, serialization.NoEncryption()).decode()


def locked_key() -> str:
    key = serialization.load_pem_private_key(PAIR.key_pem, None)
    formats = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    return key.private_bytes(*formats, serialization.BestAvailableEncryption(b"x")).decode()


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (
            secret("kubernetes.io/tls", tls_crt=CERT),
            "error data: expected tls.key: the type is kubernetes.io/tls",
        ),
        (secret(tls_crt=CERT), "error data: expected key or tls.key, too"),
        (secret(key=KEY), "error data: expected cert or tls.crt, too"),
        (
            secret(cert=CERT, key=OTHER.key_pem.decode()),
            'error stringData.key: expected the key of the certificate in "cert"',
        ),
        (secret(cert="nonsense", key=KEY), "error stringData.cert: expected a certificate chain in PEM"),
        (secret(cert=CERT, key="nonsense"), "error stringData.key: expected a private key in PEM"),
        (secret(cert=CERT, key=ed25519_key()), "error stringData.key: expected an RSA or ECDSA key"),
        (
            secret(cert=CERT, key=locked_key()),
            "error stringData.key: expected a private key without a password",
        ),
        (secret(ca_crt="nonsense"), "error stringData.ca.crt: expected certificates in PEM"),
    ],
)
def test_bad_ones_are_told_by_their_place_and_not_by_their_content(candidate: Secret, expected: str) -> None:
    assert problems(candidate) == [expected]


def test_what_the_mesh_has_no_use_for_is_said() -> None:
    [warning] = problems(secret(password="x"))
    assert warning.startswith("warning : the mesh has no use for it")


@pytest.mark.parametrize(("days", "expected"), [(-0.01, "expired on"), (3, "expires on"), (30, "")])
def test_the_end_of_a_certificate_is_warned_of(days: float, expected: str) -> None:
    ending = AUTHORITY.issue("site", "site.example", days=days)
    found = problems(secret(cert=ending.chain_pem.decode(), key=ending.key_pem.decode()))
    assert [expected in one for one in found] == [True] * bool(expected)


def text(**parts: str) -> str:
    return to_yaml(secret(**parts), 1)


def test_no_message_and_no_text_shows_the_content() -> None:
    good = parse(text(cert=CERT, key=KEY), "s.yaml")
    [candidate] = good.candidates.values()
    assert "PRIVATE KEY" not in repr(candidate.config)
    for bad in (
        text(cert=CERT, key=KEY).replace("stringData", "data"),
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {key: 314159}\n",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {key: [top secret]}\n",
    ):
        faults = " ".join(map(str, parse(bad, "s.yaml").faults))
        assert faults
        assert "PRIVATE" not in faults
        assert "314159" not in faults
        assert "top" not in faults


def test_another_content_is_another_version() -> None:
    one, other = secret(cert=CERT, key=KEY), secret(cert=OTHER.chain_pem.decode(), key=OTHER.key_pem.decode())
    assert one.content != other.content


def test_whoever_asks_is_told_what_it_holds_by_name() -> None:
    assert secret(cert=CERT, key=KEY).told() == {"type": "Opaque", "keys": ["cert", "key"]}
