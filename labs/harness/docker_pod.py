"""One pod of a run in the engine: its pause container, its sidecar, its app. Every call blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import docker
from docker.errors import APIError, DockerException
from docker.models.containers import Container
from docker.types import EndpointConfig

from labs.harness.runtime import Identity, RuntimeFailure
from mesh.platform.docker import engine, pod, sdk
from mesh.platform.topology import Workload

PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)
ALL_PSS = ("sh", "-c", "cat /proc/[0-9]*/smaps_rollup 2>/dev/null")


class Engine:
    """The engine as one run uses it: everything it makes bears the run's name and marks."""

    def __init__(self, client: docker.DockerClient, run: str) -> None:
        self.client = client
        self.run = run

    def create(self, name: str, service: pod.Service, **also: Any) -> Container:
        """Raises RuntimeFailure with the engine's words."""
        try:
            return self.client.containers.create(
                **sdk.arguments(service, name=f"{self.run}-{name}", labels=engine.labels(self.run), **also)
            )
        except DockerException as error:
            raise RuntimeFailure(f"{name}: the engine cannot create it: {error}") from error


class DockerPod:
    """``address`` is the pod's on the run's network, from `open` on."""

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        self.address = ""
        self.owner: Container | None = None
        self.sidecar: Container | None = None
        self.app: Container | None = None

    def open(self, made_by: Engine, image: str, aliases: tuple[str, ...]) -> None:
        """Start the pause container: the namespace, the names and the address are there from now on."""
        version = made_by.client.api.api_version
        endpoint = EndpointConfig(version, aliases=list(aliases))
        self.owner = made_by.create(
            f"{self.workload.name}-pod",
            pod.pause(image, self.workload),
            network=made_by.run,
            networking_config={made_by.run: endpoint},
        )
        start(self.owner)
        self.owner.reload()
        self.address = self.owner.attrs["NetworkSettings"]["Networks"][made_by.run]["IPAddress"]

    @property
    def namespace(self) -> dict[str, str]:
        """For the containers that share the pod's network."""
        if self.owner is None:
            raise RuntimeFailure(f"{self.workload.name}: its pod does not run")
        return {"network_mode": f"container:{self.owner.id}"}

    def containers(self) -> Mapping[str, Container]:
        """Those that are there, by the name of their log."""
        found = {"pod": self.owner, "sidecar": self.sidecar, "app": self.app}
        return {f"{self.workload.name}.{part}": one for part, one in found.items() if one is not None}


def start(container: Container) -> None:
    try:
        container.start()
    except APIError as error:
        raise RuntimeFailure(f"{container.name} cannot start: {error.explanation}") from error


def check(container: Container) -> None:
    """Raises RuntimeFailure with the end of its log when it does not run."""
    container.reload()
    if container.status != "running":
        tail = container.logs(tail=5).decode(errors="replace").rstrip()
        code = container.attrs["State"]["ExitCode"]
        raise RuntimeFailure(f"{container.name} ended with status {code}:\n{tail}")


def identity(container: Container) -> Identity:
    check(container)
    return Identity(container.id or "", container.attrs["State"]["StartedAt"])


def run_inside(container: Container, argv: Sequence[str], user: str) -> tuple[int, str]:
    """Exit status and output of a command in a running container."""
    done = container.exec_run(list(argv), user=user)
    return int(done.exit_code or 0), cast("bytes", done.output).decode(errors="replace")


def memory(container: Container, user: str) -> int:
    """Bytes of its processes, shared pages by their share; 0 when it does not run. ``user`` may read them."""
    try:
        _, text = run_inside(container, ALL_PSS, user)
    except APIError:
        return 0
    return sum(map(int, PSS.findall(text))) * 1024
