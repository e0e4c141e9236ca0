"""A Docker engine for the tests that want a real one; without it they are skipped, and say why."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator

import docker
import pytest

from mesh.platform.docker import engine
from mesh.platform.docker.base_image import ImageError
from mesh.platform.docker.image import ensure_image


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    try:
        found = engine.connect()
    except engine.EngineError as reason:
        pytest.skip(str(reason))
    yield found
    found.close()


@pytest.fixture(scope="session")
def image(client: docker.DockerClient) -> str:
    try:
        return ensure_image(client, lambda line: print(line, file=sys.stderr))
    except ImageError as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="module")
def run(client: docker.DockerClient) -> Iterator[str]:
    """A run of its own: what bears its label is removed afterwards, with its network of the same name."""
    name = f"mesh-labs-test-{secrets.token_hex(4)}"
    client.networks.create(name, driver="bridge", labels=engine.labels(name))
    yield name
    engine.remove_run(client, name)
