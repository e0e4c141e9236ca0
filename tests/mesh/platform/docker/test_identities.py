"""Tokens and roots, each account's in its own directory."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mesh.citadel.ca import CertificateAuthority
from mesh.citadel.tokens import Tokens
from mesh.platform.docker.identities import main

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to uid 1337, which only root may")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    CertificateAuthority.open(folder)
    return folder


def test_each_directory_gets_its_accounts_token_and_the_root(data_dir: Path, tmp_path: Path) -> None:
    folders = {account: tmp_path / account for account in ("alice", "bob")}
    for folder in folders.values():
        folder.mkdir()
    words = [f"default/{account}={folder}" for account, folder in folders.items()]
    assert main(["--data-dir", str(data_dir), *words]) == 0
    tokens = Tokens.open(data_dir)
    for account, folder in folders.items():
        assert tokens.verify((folder / "token").read_text()).service_account == account
        assert (folder / "root-cert.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")


def test_only_the_sidecars_user_can_read_the_token(data_dir: Path, tmp_path: Path) -> None:
    main(["--data-dir", str(data_dir), f"default/alice={tmp_path}"])
    found = (tmp_path / "token").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1337, 1337, 0o400)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_second_start_replaces_what_the_first_wrote(data_dir: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert main(["--data-dir", str(data_dir), f"default/alice={tmp_path}"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["root-cert.pem", "token"]


def test_an_impossible_account_is_named(
    data_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--data-dir", str(data_dir), f"default/={tmp_path}"]) == 1
    assert "identities: default/=" in capsys.readouterr().err
