"""Against a real container that listens on its own loopback address only."""

from __future__ import annotations

import time
from collections.abc import Iterator

import docker
import pytest
from docker.errors import DockerException

from mesh.ctl.in_container import NoContainerError, fetch

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a container whose 127.0.0.1:15000 serves its file tree."""
    try:
        client = docker.from_env()
        images = [tag for image in client.images.list(name="mesh-labs") for tag in image.tags]
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    if not images:
        client.close()
        pytest.skip("no image of this mesh has been built")
    serve = ["python3", "-m", "http.server", "15000", "--bind", "127.0.0.1", "--directory", "/etc"]
    container = client.containers.run(
        images[0],
        entrypoint=serve,
        command=[],
        detach=True,
        init=True,
        labels={"mesh-labs.test": "in-container"},
    )
    try:
        container.reload()
        yield str(container.attrs["NetworkSettings"]["IPAddress"])
    finally:
        container.remove(force=True)
        client.close()


def test_what_only_the_container_sees_is_fetched_from_inside(address: str) -> None:
    deadline, body = time.monotonic() + 20, b""
    while not body and time.monotonic() < deadline:
        try:
            body = fetch(address, "http://127.0.0.1:15000/hostname")
        except NoContainerError:  # its server is not up yet
            time.sleep(0.1)
    assert body.strip()


def test_a_refusal_inside_is_said_in_one_line(address: str) -> None:
    with pytest.raises(NoContainerError, match="refused"):
        fetch(address, "http://127.0.0.1:1/")


def test_an_address_no_container_has_is_said() -> None:
    with pytest.raises(NoContainerError, match=r"no container has the address 203\.0\.113\.1"):
        fetch("203.0.113.1", "http://127.0.0.1:15000/")
