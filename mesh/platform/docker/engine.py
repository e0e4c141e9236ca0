"""The Docker engine: whether it answers, and how everything this project makes in it is marked and removed.

Every container, network and volume carries ``mesh-labs.run``, so that one filter finds all of a run, whatever
state it broke off in. ``mesh-labs.owner`` names the process that runs it: what a killed run left is swept by
the next one.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path

import docker
import requests
from docker.errors import APIError, DockerException, NotFound

RUN_LABEL = "mesh-labs.run"
OWNER_LABEL = "mesh-labs.owner"
CONNECT_TIMEOUT_S = 120  # of one API call; a busy engine takes its time to create a container


class EngineError(Exception):
    """The engine does not answer, or refused; the text says what."""


def connect() -> docker.DockerClient:
    """A client of the engine that DOCKER_HOST or the default socket names. Raises EngineError."""
    try:
        client = docker.from_env(timeout=CONNECT_TIMEOUT_S, max_pool_size=32)
        client.ping()
    except (DockerException, requests.RequestException) as error:
        raise EngineError(f"no Docker engine answers: {error}") from error
    return client


def labels(run: str) -> dict[str, str]:
    """The marks of a run that this process owns."""
    return {RUN_LABEL: run, OWNER_LABEL: owner(os.getpid())}


def owner(pid: int) -> str:
    """``<host>/<pid>/<start time in clock ticks>``: pids are used again, start times are not."""
    return f"{socket.gethostname()}/{pid}/{_start_ticks(pid)}"


def _start_ticks(pid: int) -> str:
    """Field 22 of /proc/<pid>/stat; "" when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def is_orphan(marks: Mapping[str, str]) -> bool:
    """Whether the run of these labels was this host's and its process is gone."""
    host, _, rest = marks.get(OWNER_LABEL, "").partition("/")
    pid = rest.partition("/")[0]
    return host == socket.gethostname() and pid.isdigit() and owner(int(pid)) != marks[OWNER_LABEL]


def sweep(client: docker.DockerClient) -> list[str]:
    """Remove what killed runs left; gives their ids."""
    containers = client.containers.list(all=True, filters={"label": OWNER_LABEL}, ignore_removed=True)
    networks = client.networks.list(filters={"label": OWNER_LABEL})
    marked = [container.labels for container in containers]
    marked += [network.attrs.get("Labels") or {} for network in networks]
    runs = sorted({marks[RUN_LABEL] for marks in marked if is_orphan(marks) and RUN_LABEL in marks})
    for run in runs:
        remove_run(client, run)
    return runs


def remove_run(client: docker.DockerClient, run: str) -> None:
    """Remove every container, network and volume of a run. Raises EngineError for what stays."""
    wanted: dict[str, str | list[str] | bool] = {"label": f"{RUN_LABEL}={run}"}
    for container in client.containers.list(all=True, filters=wanted, ignore_removed=True):
        remove_container(client, container.id or "")
    left = []
    networks = [network.remove for network in client.networks.list(filters=wanted)]
    volumes = [volume.remove for volume in client.volumes.list(filters=wanted)]
    for remove in (*networks, *volumes):
        try:
            remove()
        except NotFound:
            pass
        except APIError as error:
            left.append(str(error.explanation))
    if left:
        raise EngineError(f"run {run}: not removed: {'; '.join(left)}")


def remove_container(client: docker.DockerClient, container: str) -> None:
    """Kill and remove it with its anonymous volumes; harmless when it is gone or going."""
    try:
        client.api.remove_container(container, force=True, v=True)
    except NotFound:
        return
    except APIError as error:
        if error.status_code != requests.codes.conflict:  # 409: its removal is already in progress
            raise
