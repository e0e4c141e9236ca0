"""A pod's admin interface from the host: containers keep it on their own 127.0.0.1, so ask from inside.

The pod is found by its address: the container that has it owns the network namespace the sidecar is in.
"""

from __future__ import annotations

from typing import Any

import docker
from docker.errors import DockerException

# runs in the container: python is in every image of this mesh, curl need not be
_FETCH = """
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
sys.stdout.buffer.write(opener.open(sys.argv[1], timeout=5).read())
"""


class NoContainerError(Exception):
    """Cannot be asked this way; the message says why."""


def fetch(address: str, url: str) -> bytes:
    """The body at ``url``, as seen by the container with this address. Raises NoContainerError."""
    try:
        client = docker.from_env(timeout=10)
        try:
            return _exec(_owner(client, address), url)
        finally:
            client.close()
    except DockerException as error:
        raise NoContainerError(f"no Docker engine answers: {error}") from error


def _owner(client: Any, address: str) -> Any:
    for container in client.containers.list():
        networks = container.attrs["NetworkSettings"]["Networks"].values()
        if any(network.get("IPAddress") == address for network in networks):
            return container
    raise NoContainerError(f"no container has the address {address}")


def _exec(container: Any, url: str) -> bytes:
    result = container.exec_run(["python3", "-c", _FETCH, url], demux=True)
    out, complaint = result.output
    if result.exit_code != 0:
        last = (complaint or b"no reason given").decode(errors="replace").strip().splitlines()[-1]
        raise NoContainerError(f"{container.name}: {last}")
    return bytes(out or b"")
