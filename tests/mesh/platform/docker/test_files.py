"""Files in and out of containers, before they start and after they ended."""

from __future__ import annotations

import docker
import pytest

from mesh.platform.docker import engine, files

pytestmark = pytest.mark.docker


def test_a_file_is_there_before_the_container_starts(
    client: docker.DockerClient, image: str, run: str
) -> None:
    command = ["sh", "-c", "stat -c '%u %g %a' /run/secrets/a/token; cat /run/secrets/a/token > /tmp/out"]
    container = client.containers.create(image, command, labels=engine.labels(run), network_mode="none")
    files.put(container, {"/run/secrets/a/token": "secret"}, 1337, 1337)
    container.start()
    assert container.wait()["StatusCode"] == 0
    assert container.logs() == b"1337 1337 400\n"
    assert files.get(container, "/tmp/out") == "secret"
    assert files.get(container, "/tmp/missing") is None
