"""Which wheels fit an image, and what pip is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from mesh.platform.docker import wheelhouse
from mesh.platform.docker.wheelhouse import Target, installed_versions, pip_arguments, requirements

DEBIAN_12 = Target("3.11", "x86_64", 36)


def test_a_target_takes_wheels_for_its_own_c_library_and_older_ones() -> None:
    platforms = DEBIAN_12.platforms()
    assert platforms[0] == "manylinux_2_36_x86_64"
    assert {"manylinux_2_31_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"} < set(platforms)
    assert "manylinux_2_37_x86_64" not in platforms


def test_wheels_are_chosen_for_the_images_python_not_ours() -> None:
    arguments = pip_arguments(Path("r"), None, Target("3.13", "aarch64", 41), Path("w"))
    assert arguments[arguments.index("--python-version") + 1] == "3.13"
    assert "manylinux_2_41_aarch64" in arguments
    assert "--only-binary" in arguments
    assert "--constraint" not in arguments


def test_the_requirements_are_the_projects_and_the_real_envoys() -> None:
    text = '[project]\ndependencies = ["a>=1"]\n[project.optional-dependencies]\nenvoy = ["e"]\ndev = ["d"]\n'
    assert requirements(text) == ["a>=1", "e"]


def test_the_versions_are_those_installed_here() -> None:
    versions = installed_versions(["aiohttp>=3.11", "no-such-package"])
    names = {version.partition("==")[0] for version in versions}
    assert {"aiohttp", "yarl", "multidict"} <= names, "what the wanted require in turn"
    assert "pytest" not in names, "a tool of ours changes no image"


def test_a_cached_wheelhouse_is_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fetched = []

    def fetch(folder: Path, wanted: str, versions: str, target: Target) -> None:
        fetched.append(wanted)
        (folder / "wheels").mkdir()

    monkeypatch.setattr(wheelhouse, "_fetch", fetch)
    first = wheelhouse.wheelhouse(["a"], ["a==1"], DEBIAN_12)
    assert wheelhouse.wheelhouse(["a"], ["a==1"], DEBIAN_12) == first
    assert wheelhouse.wheelhouse(["a"], ["a==2"], DEBIAN_12) != first
    assert len(fetched) == 2
    assert not [path for path in first.parent.iterdir() if path.name.startswith(".")]
