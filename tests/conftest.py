"""What tests of every kind share: the things that may be missing on a machine, and say so."""

from __future__ import annotations

import docker
import pytest
from docker.errors import DockerException


@pytest.fixture(scope="session")
def docker_engine() -> docker.DockerClient:
    """A client of the engine; skips, with the reason, when none answers."""
    try:
        client = docker.from_env(timeout=10)
        client.ping()
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    return client
