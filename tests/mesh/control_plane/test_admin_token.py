from __future__ import annotations

import stat
from pathlib import Path

import pytest

from mesh.citadel.private_file import PrivateFileError
from mesh.control_plane.admin_token import is_admin, open_admin_token


def test_the_token_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    token = open_admin_token(tmp_path)
    assert open_admin_token(tmp_path) == token
    assert len(token) >= 32
    assert stat.S_IMODE((tmp_path / "admin-token").stat().st_mode) == 0o600


def test_a_token_others_can_read_is_not_used(tmp_path: Path) -> None:
    open_admin_token(tmp_path)
    (tmp_path / "admin-token").chmod(0o640)
    with pytest.raises(PrivateFileError, match="admin-token"):
        open_admin_token(tmp_path)


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        ("Bearer x", True),
        ("Bearer y", False),
        ("bearer x", False),
        ("x", False),
        ("", False),
        ("Bearer é", False),
    ],
)
def test_only_the_token_itself_will_do(header: str, verdict: bool) -> None:
    assert is_admin(header, "x") is verdict
