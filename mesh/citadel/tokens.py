"""Bootstrap tokens: what a workload proves its service account with before it has a certificate.

A token is a JWT like Kubernetes' projected ones: audience ``istio-ca``, subject
``system:serviceaccount:<namespace>:<service account>``, always with an end. Signed with HS256; the key
lies in ``<data>/citadel/token-key``, mode 0600, and never leaves the control plane.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt

from mesh.citadel.ca import DIRECTORY, CaError
from mesh.citadel.private_file import PrivateFileError, create_private, read_private
from mesh.model.identity import DEFAULT_TRUST_DOMAIN, SpiffeId

KEY_FILE = "token-key"
KEY_BYTES = 32  # HS256 wants at least its digest's length (RFC 7518 section 3.2)
AUDIENCE = "istio-ca"
ALGORITHM = "HS256"
# Kubernetes renews the projected file every hour; here nobody does, and a sidecar must be able to renew its
# certificate for as long as it runs. Whoever can replace the file may issue shorter ones.
DEFAULT_TTL = timedelta(days=365)

_SUBJECT = re.compile(r"system:serviceaccount:([A-Za-z0-9._-]+):([A-Za-z0-9._-]+)")


class InvalidToken(ValueError):
    """The token proves nothing; the text says why, without repeating the token."""


class Tokens:
    """Issues and verifies the tokens of one mesh."""

    def __init__(self, key: bytes, trust_domain: str = DEFAULT_TRUST_DOMAIN) -> None:
        self._key = key
        self._trust_domain = trust_domain

    @classmethod
    def open(cls, data_dir: Path, *, trust_domain: str = DEFAULT_TRUST_DOMAIN) -> Tokens:
        """The tokens of a data directory; the key is made when there is none. Raises CaError."""
        path = data_dir / DIRECTORY / KEY_FILE
        try:
            try:
                key = read_private(path)
            except FileNotFoundError:
                key = create_private(path, secrets.token_hex(KEY_BYTES).encode())
        except PrivateFileError as exposed:
            raise CaError(str(exposed)) from exposed
        if len(key) < KEY_BYTES:
            raise CaError(f"{path}: expected {KEY_BYTES} bytes or more, got {len(key)}")
        return cls(key, trust_domain)

    def issue(self, namespace: str, service_account: str, ttl: timedelta = DEFAULT_TTL) -> str:
        """A token for a service account, valid from now on. Raises ValueError for impossible names."""
        subject = f"system:serviceaccount:{namespace}:{service_account}"
        if _SUBJECT.fullmatch(subject) is None:
            raise ValueError(f"expected a namespace and a service account, got {subject!r}")
        now = datetime.now(UTC)
        claims = {"aud": [AUDIENCE], "sub": subject, "iat": now, "exp": now + ttl}
        return jwt.encode(claims, self._key, algorithm=ALGORITHM)

    def verify(self, token: str) -> SpiffeId:
        """Whose token it is. Raises InvalidToken."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": ["exp", "aud", "sub"]},
            )
        except jwt.ExpiredSignatureError:
            raise InvalidToken("the token has expired") from None
        except jwt.InvalidAudienceError:
            raise InvalidToken(f"the token is not meant for {AUDIENCE}") from None
        except jwt.InvalidTokenError as invalid:
            raise InvalidToken(f"the token is not valid: {invalid}") from None
        found = _SUBJECT.fullmatch(str(claims["sub"]))
        if found is None:
            raise InvalidToken("the token's subject is no service account")
        return SpiffeId(found[1], found[2], self._trust_domain)
