"""What tests of every kind share: the things that may be missing on a machine, and say so."""

from __future__ import annotations

import os

import docker
import pytest
from docker.errors import DockerException
from hypothesis import settings

# A property is right or wrong, not slow: a busy machine must not fail it. In CI the examples are fixed.
settings.register_profile("mesh", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("mesh")


@pytest.fixture(scope="session")
def docker_engine() -> docker.DockerClient:
    """A client of the engine; skips, with the reason, when none answers."""
    try:
        client = docker.from_env(timeout=10)
        client.ping()
    except DockerException as error:
        pytest.skip(f"no Docker engine answers: {error}")
    return client
