"""What tests of every kind share: the things that may be missing on a machine, and say so."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable

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


class MallocInfo(ctypes.Structure):
    """``struct mallinfo2``, in bytes. Source: mallinfo(3)."""

    _fields_ = (
        ("arena", ctypes.c_size_t),
        ("ordblks", ctypes.c_size_t),
        ("smblks", ctypes.c_size_t),
        ("hblks", ctypes.c_size_t),
        ("hblkhd", ctypes.c_size_t),  # in blocks with pages of their own
        ("usmblks", ctypes.c_size_t),
        ("fsmblks", ctypes.c_size_t),
        ("uordblks", ctypes.c_size_t),  # in all other blocks
        ("fordblks", ctypes.c_size_t),
        ("keepcost", ctypes.c_size_t),
    )


@pytest.fixture(scope="session")
def allocated_bytes() -> Callable[[], int]:
    """What the C library has handed out, protobuf's and OpenSSL's too: nothing that Python could tell of."""
    mallinfo2 = getattr(ctypes.CDLL(None), "mallinfo2", None)
    if mallinfo2 is None:
        pytest.skip("the C library does not tell how much memory it has handed out")
    mallinfo2.restype = MallocInfo

    def look() -> int:
        info = mallinfo2()
        return int(info.uordblks + info.hblkhd)

    return look
