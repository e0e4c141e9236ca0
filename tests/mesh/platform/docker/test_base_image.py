"""Where the base image comes from: the rule's order, and what is said when nothing works."""

from __future__ import annotations

import docker
import pytest

from mesh.platform.docker import base_image
from mesh.platform.docker.base_image import MADE, OFFICIAL, ImageError


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What the engine has, what a registry says, and what was asked of it."""
    world: dict[str, object] = {"there": set(), "trouble": "no such host", "asked": []}
    monkeypatch.delenv("BASE_IMAGE", raising=False)
    monkeypatch.setattr(base_image, "is_there", lambda client, name: name in world["there"])

    def pull(client: object, name: str, say: object) -> object:
        world["asked"].append(("pull", name))
        return world["trouble"]

    monkeypatch.setattr(base_image, "pull", pull)
    monkeypatch.setattr(base_image, "bootstrap", lambda client, say: world["asked"].append(("make", MADE)))
    return world


def found() -> str:
    return base_image.base_image(docker.DockerClient(), lambda line: None)


def test_a_given_image_goes_before_all_others(engine: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    engine["there"] = {"mine:1", OFFICIAL}
    monkeypatch.setenv("BASE_IMAGE", "mine:1")
    assert found() == "mine:1"
    assert engine["asked"] == []


def test_a_given_image_that_cannot_be_had_is_an_error(engine: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASE_IMAGE", "mine:1")
    with pytest.raises(ImageError, match="BASE_IMAGE mine:1: no such host"):
        found()


def test_an_image_that_is_there_is_used_without_asking_anybody(engine: dict) -> None:
    engine["there"] = {MADE}
    assert found() == MADE
    engine["there"] = {MADE, OFFICIAL}
    assert found() == OFFICIAL
    assert engine["asked"] == []


def test_a_registry_is_asked_before_an_image_is_made(engine: dict) -> None:
    assert found() == MADE
    assert engine["asked"] == [("pull", OFFICIAL), ("make", MADE)]


def test_what_a_registry_gives_is_used(engine: dict) -> None:
    engine["trouble"] = ""
    assert found() == OFFICIAL


def test_without_root_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ImageError, match=r"needs root on Debian.*BASE_IMAGE.*--runtime process"):
        base_image.bootstrap(docker.DockerClient(), lambda line: None)
