"""What a runtime must do for a lab: pods as containers or as processes, behind one Protocol.

A pod is an app and its sidecar. ``ProcessRuntime`` gives each loopback addresses of its own;
``DockerRuntime`` gives each a network namespace. A lab is written against this file only.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from mesh.model.node import Engine
from mesh.platform.topology import Topology

Part = Literal["app", "sidecar", "control-plane"]
MESHCTL = ("python", "-m", "mesh.ctl.main")  # "python" stands for the runtime's own interpreter


class RuntimeFailure(Exception):
    """The runtime could not do what was asked (something died, is not ready ...): the lab is inconclusive."""


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """What a run fixes before `up`: ``ProcessRuntime(options)``, ``DockerRuntime(options)``.

    ``sidecar_entry``: by workload name, what replaces MESHCTL in front of ``proxy ...`` (for sabotage).
    """

    folder: Path  # of the run; logs/ below it is the runtime's
    dataplane: Engine = "python"
    concurrency: int = 1  # workers of each sidecar
    ready_timeout_s: float = 60.0
    sidecar_entry: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Identity:
    """Which incarnation of a process or container this is: equal while nothing restarts it."""

    id: str  # pid, or container id
    started: str  # kernel start time of the pid, or the engine's StartedAt


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Where and how to talk to the control plane, from outside the mesh."""

    http: str  # "http://127.80.0.1:15014"
    grpc: str  # "127.80.0.1:15012", TLS
    admin_token: str
    root_pem: str


class Process(Protocol):
    """A command started in a pod or beside the mesh; its standard error goes to the run's logs."""

    def lines(self) -> AsyncIterator[str]:
        """Standard output, line by line as it comes, without line ends, until it is closed."""
        ...

    async def wait(self) -> int:
        """Its exit status."""
        ...

    async def stop(self) -> int:
        """SIGTERM, then SIGKILL after 10 s; the exit status. Harmless when it has ended."""
        ...


class Runtime(Protocol):
    """Names of pods are names of workloads ("reviews-v1"): each has one instance."""

    @property
    def name(self) -> Literal["process", "docker"]: ...

    async def up(self, topology: Topology) -> None:
        """Start the control plane, then every pod; return when each sidecar is ready and each app serves.

        An app starts only after its sidecar is ready (15021 /healthz/ready). Raises RuntimeFailure.
        """
        ...

    async def down(self) -> None:
        """Stop all in reverse order and leave nothing behind. May be called at any moment, and twice."""
        ...

    async def exec(self, pod: str, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Process:
        """Start a command inside the pod, beside its app, with the app's view of the network."""
        ...

    async def outside(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Process:
        """Start a command with no sidecar that can reach the pods and the control plane.

        It finds its own address in the environment variable ADDRESS.
        """
        ...

    def entrance(self, pod: str) -> str:
        """What stands before a command in a shell to run it inside the pod: for people who look around."""
        ...

    async def identity(self, pod: str, part: Part) -> Identity:
        """Raises RuntimeFailure when it does not run."""
        ...

    def address(self, pod: str) -> str:
        """Where the pod's sidecar is reached from outside: its service ports, 15020, 15021, 15090."""
        ...

    def control_plane(self) -> ControlPlane: ...

    async def kill_control_plane(self) -> None:
        """SIGKILL, no goodbye; returns when it is dead."""
        ...

    async def start_control_plane(self) -> None:
        """Start it on the same data directory; returns when 15014 /ready answers 200."""
        ...

    def token(self, namespace: str, service_account: str) -> str:
        """A bootstrap token for that account, as the platform would hand one to a pod."""
        ...

    async def log(self, pod: str, part: Part) -> str:
        """What it wrote to standard output so far (the app: its JSON lines; the sidecar: its access log)."""
        ...

    async def mixer_log(self) -> str:
        """Mixer's access_log.jsonl so far."""
        ...

    async def memory(self) -> Mapping[str, int]:
        """Bytes by part: "control-plane", "<pod>/sidecar", "<pod>/app"; shared pages counted once where the
        kernel says so (PSS)."""
        ...
