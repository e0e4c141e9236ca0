"""The image: its name is its content, a second build is none, what is inside works."""

from __future__ import annotations

import io
import tarfile
import time
from pathlib import Path

import docker
import pytest

from mesh.platform.docker.image import ROOT, build_context, content_hash, ensure_image, source_files


def test_equal_files_give_an_equal_name_and_any_change_another() -> None:
    files = {"a": b"1", "b": b"2"}
    assert content_hash(files) == content_hash(dict(reversed(files.items())))
    changed = [{"a": b"12", "b": b""}, {"a": b"1", "c": b"2"}, {"a": b"1", "b": b"3"}]
    assert len({content_hash(each) for each in (files, *changed)}) == 4
    assert content_hash(files, "base") != content_hash(files)


def test_a_context_is_the_same_to_the_byte_each_time() -> None:
    """Times and owners would miss the engine's cache."""
    files = {"a": b"1", "bin/b": b"2"}
    assert build_context(files) == build_context(files)
    with tarfile.open(fileobj=io.BytesIO(build_context(files))) as tar:
        assert [(member.name, member.mode) for member in tar] == [("a", 0o644), ("bin/b", 0o755)]


def test_the_source_is_what_runs_and_nothing_of_the_workplace() -> None:
    names = set(source_files(ROOT))
    assert {"mesh/proxy/server.py", "labs/apps/reviews.py", "bin/meshctl", "Dockerfile"} <= names
    assert not [
        name for name in names if ".runs" in name or "__pycache__" in name or name.startswith("tests/")
    ]


def test_a_checkout_without_a_package_still_has_the_rest(tmp_path: Path) -> None:
    (tmp_path / "mesh").mkdir()
    (tmp_path / "mesh" / "a.py").write_text("1")
    assert source_files(tmp_path)["mesh/a.py"] == b"1"


@pytest.mark.docker
def test_an_image_that_is_there_is_not_built_again(client: docker.DockerClient, image: str) -> None:
    said: list[str] = []
    start = time.monotonic()
    assert ensure_image(client, said.append) == image
    assert said == []
    assert time.monotonic() - start < 10


@pytest.mark.docker
def test_the_image_has_all_that_its_containers_need(client: docker.DockerClient, image: str) -> None:
    script = (
        "meshctl version --help >/dev/null && python -c 'import mesh.proxy.server, labs.apps.reviews' &&"
        " envoy --version && iptables --version && ss --version && ps --version && id -u mesh app"
    )
    output = client.containers.run(image, ["sh", "-c", script], remove=True, network_mode="none").decode()
    assert "1337\n1000" in output
