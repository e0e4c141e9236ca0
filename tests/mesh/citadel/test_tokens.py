from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from mesh.citadel.ca import CaError
from mesh.citadel.tokens import InvalidToken, Tokens
from mesh.model.identity import SpiffeId

KEY = b"k" * 32


def forged(**changes: Any) -> str:
    claims: dict[str, Any] = {
        "aud": ["istio-ca"],
        "sub": "system:serviceaccount:default:reviews",
        "exp": datetime.now(UTC) + timedelta(hours=1),
    }
    claims.update(changes)
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, KEY, "HS256")


def test_a_token_proves_its_account() -> None:
    tokens = Tokens(KEY)
    assert tokens.verify(tokens.issue("default", "reviews")) == SpiffeId("default", "reviews")


def test_the_key_is_private_and_stays_the_same(tmp_path: Path) -> None:
    token = Tokens.open(tmp_path).issue("default", "reviews")
    assert stat.S_IMODE((tmp_path / "citadel/token-key").stat().st_mode) == 0o600
    assert Tokens.open(tmp_path).verify(token) == SpiffeId("default", "reviews")


def test_a_key_open_to_others_is_refused(tmp_path: Path) -> None:
    Tokens.open(tmp_path)
    (tmp_path / "citadel/token-key").chmod(0o640)
    with pytest.raises(CaError, match="token-key: expected mode 0600, got 0640"):
        Tokens.open(tmp_path)


def test_an_emptied_key_is_refused(tmp_path: Path) -> None:
    Tokens.open(tmp_path)
    (tmp_path / "citadel/token-key").write_bytes(b"")
    with pytest.raises(CaError, match="expected 32 bytes or more, got 0"):
        Tokens.open(tmp_path)


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        (forged(exp=datetime.now(UTC) - timedelta(seconds=1)), "has expired"),
        (forged(aud=["vault"]), "not meant for istio-ca"),
        (forged(aud=None), "aud"),
        (forged(exp=None), "exp"),
        (forged(sub="system:node:a"), "no service account"),
        (forged(sub="system:serviceaccount:default:a:b"), "no service account"),
        (Tokens(b"x" * 32).issue("default", "reviews"), "not valid"),
        (jwt.encode({"aud": "istio-ca"}, "", algorithm="none"), "not valid"),
        ("", "not valid"),
        ("not.a.token", "not valid"),
    ],
)
def test_what_proves_nothing_is_refused_with_the_reason(token: str, reason: str) -> None:
    with pytest.raises(InvalidToken, match=reason):
        Tokens(KEY).verify(token)


@pytest.mark.parametrize(("namespace", "account"), [("", "a"), ("a", ""), ("a:b", "c"), ("a/../b", "c")])
def test_no_token_for_an_impossible_account(namespace: str, account: str) -> None:
    with pytest.raises(ValueError, match="expected a namespace and a service account"):
        Tokens(KEY).issue(namespace, account)
