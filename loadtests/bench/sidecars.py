"""One engine's pair of sidecars, in a mesh of its own, measured under load.

The sidecars are pinned to one core; the load, the origin and the control plane share another.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from labs.harness.mesh_api import MeshApi
from labs.harness.process_runtime import ProcessRuntime
from labs.harness.runtime import RuntimeFailure, RuntimeOptions
from loadtests.bench.load import LoadResult
from loadtests.bench.measure import Sample, resident_bytes
from loadtests.bench.settings import AUTHORITY, CLIENT, SERVER, Setting, topology
from mesh.model.names import OUTBOUND_PORT
from mesh.model.node import Engine

SIDECAR_CORE, LOAD_CORE = 0, 1


@dataclass(frozen=True, slots=True)
class Figures:
    """One round: CPU microseconds per request of each sidecar, and what the client saw."""

    client_cpu_us: float
    server_cpu_us: float
    utilisation: float  # of the sidecars' core, 0..1
    load: LoadResult

    @property
    def pair_cpu_us(self) -> float:
        return self.client_cpu_us + self.server_cpu_us


class Sidecars:
    """``async with Sidecars(engine, folder) as pair``: up at the start, nothing left at the end."""

    def __init__(self, engine: Engine, folder: Path, body_bytes: int) -> None:
        self.engine = engine
        self._runtime = ProcessRuntime(RuntimeOptions(folder=folder, dataplane=engine))
        self._body_bytes = body_bytes

    async def __aenter__(self) -> Sidecars:
        try:
            await self._runtime.up(topology(self._body_bytes))
            self._pids = [await self._proxy_pid(CLIENT), await self._proxy_pid(SERVER)]
        except BaseException:
            await self._runtime.down()
            raise
        for pid in self._pids:
            _pin(pid, SIDECAR_CORE)
        _pin(int((await self._runtime.identity(SERVER, "app")).id), LOAD_CORE)
        _pin(int((await self._runtime.identity("control-plane", "control-plane")).id), LOAD_CORE)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runtime.down()

    async def use(self, setting: Setting) -> None:
        """Apply the setting and wait until both sidecars have ACKed it."""
        await MeshApi(self._runtime.control_plane).apply(setting.yaml, f"{setting.name}.yaml")

    async def measure(self, connections: int, seconds: float, rate: float = 0.0) -> Figures:
        """Load the pair at ``rate`` requests a second, 0 = as fast as it answers; sample CPU meanwhile."""
        load = asyncio.create_task(self._load(connections, seconds, rate))
        await asyncio.sleep(seconds * 0.25 + 1.0)  # past start-up and warm-up; both ends stay inside the load
        before = [Sample.take(pid) for pid in self._pids]
        await asyncio.sleep(seconds * 0.5)
        after = [Sample.take(pid) for pid in self._pids]
        result = await load
        if result.errors or not result.requests:
            raise RuntimeFailure(f"{self.engine}: {result.errors} errors in {result.requests} requests")
        shares = [(b.cpu_s - a.cpu_s) / (b.at_s - a.at_s) for a, b in zip(before, after, strict=True)]
        client, server = (share / result.rate * 1e6 for share in shares)
        return Figures(client, server, sum(shares), result)

    def resident_bytes(self) -> float:
        """Of one sidecar, the mean of the two."""
        return sum(resident_bytes(pid) for pid in self._pids) / len(self._pids)

    async def _load(self, connections: int, seconds: float, rate: float) -> LoadResult:
        address = self._runtime.address(CLIENT)
        words = [address, str(OUTBOUND_PORT), AUTHORITY, str(connections), str(seconds), str(rate)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "loadtests.bench.load", *words, stdout=asyncio.subprocess.PIPE
        )
        _pin(process.pid, LOAD_CORE)
        out, _ = await process.communicate()
        if process.returncode:
            raise RuntimeFailure(f"the load ended with status {process.returncode}")
        return LoadResult(**json.loads(out))

    async def _proxy_pid(self, pod: str) -> int:
        """The process that forwards: the sidecar itself, or the Envoy its agent started."""
        agent = int((await self._runtime.identity(pod, "sidecar")).id)
        if self.engine == "python":
            return agent
        for child in psutil.Process(agent).children(recursive=True):
            if "envoy" in child.name():
                return child.pid
        raise RuntimeFailure(f"{pod}: its agent runs no Envoy")


def _pin(pid: int, core: int) -> None:
    """All threads of the process; on a machine of one core there is nothing to pin."""
    cores = sorted(os.sched_getaffinity(0))
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), {cores[core % len(cores)]})
