"""Secret: the parts of TLS are readable and belong together. No message shows what a Secret holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mesh.galley.api.secret import CERTIFICATE_WORDS, KEY_WORDS, ROOTS_WORDS, TLS_TYPE, Secret, decoded
from mesh.galley.checks.common import Problems
from mesh.galley.fault import Loc, Problem, quoted

EXPIRES_SOON = timedelta(days=14)

_Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def check_secret(secret: Secret) -> Problems:
    malformed = list(_check_base64(secret))
    yield from malformed
    if malformed:
        return
    chain, key = secret.part(CERTIFICATE_WORDS), secret.part(KEY_WORDS)
    if secret.type == TLS_TYPE:
        for word in ("tls.crt", "tls.key"):
            if word not in {**secret.data, **secret.string_data}:
                yield Problem(("data",), f"expected {word}: the type is {TLS_TYPE}")
    elif (chain is None) != (key is None):
        missing = KEY_WORDS if key is None else CERTIFICATE_WORDS
        yield Problem(("data",), f"expected {' or '.join(missing)}, too")
    elif chain is None and secret.roots_pem is None:
        words = (*CERTIFICATE_WORDS, *KEY_WORDS, *ROOTS_WORDS)
        yield Problem((), f"the mesh has no use for it: it has none of {', '.join(words)}", "warning")
    if chain is not None and key is not None:
        yield from _check_pair(chain, key, _place(secret, CERTIFICATE_WORDS), _place(secret, KEY_WORDS))
    if secret.roots_pem is not None:
        yield from _check_roots(secret.roots_pem, _place(secret, ROOTS_WORDS))


def _check_base64(secret: Secret) -> Problems:
    for word, text in secret.data.items():
        try:
            decoded(text)
        except ValueError as error:
            yield Problem(("data", word), str(error))


def _place(secret: Secret, words: tuple[str, ...]) -> Loc:
    for word in words:
        if word in secret.string_data:
            return "stringData", word
        if word in secret.data:
            return "data", word
    return ()


def _check_pair(chain_pem: bytes, key_pem: bytes, chain_at: Loc, key_at: Loc) -> Problems:
    chain, key = _certificates(chain_pem), _key(key_pem)
    if not chain:
        yield Problem(chain_at, "expected a certificate chain in PEM")
    if isinstance(key, str):
        yield Problem(key_at, key)
    if not chain or isinstance(key, str):
        return
    if _spki(chain[0].public_key()) != _spki(key.public_key()):
        yield Problem(key_at, f"expected the key of the certificate in {quoted(str(chain_at[-1]))}")
    yield from _check_life(chain[0], chain_at)


def _check_roots(roots_pem: bytes, at: Loc) -> Problems:
    roots = _certificates(roots_pem)
    if not roots:
        yield Problem(at, "expected certificates in PEM")
    for root in roots:
        yield from _check_life(root, at)


def _check_life(certificate: x509.Certificate, at: Loc) -> Problems:
    now, begins, ends = datetime.now(UTC), certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if ends <= now:
        yield Problem(at, f"the certificate expired on {ends:%Y-%m-%d}", "warning")
    elif ends <= now + EXPIRES_SOON:
        yield Problem(at, f"the certificate expires on {ends:%Y-%m-%d}", "warning")
    if begins > now:
        yield Problem(at, f"the certificate is not valid before {begins:%Y-%m-%d}", "warning")


def _certificates(pem: bytes) -> list[x509.Certificate]:
    """Nothing when it is no PEM of certificates."""
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        return []


def _key(pem: bytes) -> _Key | str:
    """The key, or what is wrong with it."""
    try:
        key = serialization.load_pem_private_key(pem, None)
    except TypeError:
        return "expected a private key without a password"
    except (ValueError, UnsupportedAlgorithm):
        return "expected a private key in PEM"
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        return "expected an RSA or ECDSA key"
    return key


def _spki(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined, no-any-return]
