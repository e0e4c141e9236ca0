from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mesh.citadel.tokens import Tokens
from mesh.model.identity import SpiffeId

if TYPE_CHECKING:
    from tests.mesh.ctl.conftest import Meshctl


def test_a_token_proves_the_account(meshctl: Meshctl, tmp_path: Path) -> None:
    Tokens.open(tmp_path)
    said = meshctl("token", "create", "bookinfo-reviews", "-n", "prod", "--data-dir", str(tmp_path))
    assert said.status == 0
    assert Tokens.open(tmp_path).verify(said.out.strip()) == SpiffeId("prod", "bookinfo-reviews")


def test_what_cannot_be_is_one_line(meshctl: Meshctl, tmp_path: Path) -> None:
    for arguments, status in (
        (("x", "--data-dir", str(tmp_path / "no")), 1),
        (("a b", "--data-dir", str(tmp_path)), 1),
        (("x", "--data-dir", str(tmp_path), "--duration", "long"), 2),
    ):
        said = meshctl("token", "create", *arguments)
        assert (said.status, said.out, len(said.err.splitlines())) == (status, "", 1)
