from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mesh.citadel.private_file import PrivateFileError, create_private, read_private


def test_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deeper" / "key"
    assert create_private(path, b"secret") == b"secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_private(path) == b"secret"


def test_is_never_written_over(tmp_path: Path) -> None:
    create_private(tmp_path / "key", b"first")
    assert create_private(tmp_path / "key", b"second") == b"first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"], "no draft is left"


def test_makers_at_the_same_moment_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        contents = set(pool.map(lambda n: create_private(tmp_path / "key", b"%d" % n), range(32)))
    assert contents == {read_private(tmp_path / "key")}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_is_not_used_when_others_have_access(tmp_path: Path, mode: int) -> None:
    create_private(tmp_path / "key", b"secret")
    (tmp_path / "key").chmod(mode)
    with pytest.raises(PrivateFileError, match=f"expected mode 0600, got {mode:04o}"):
        read_private(tmp_path / "key")
