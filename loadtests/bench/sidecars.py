"""One engine's pair of sidecars, in a mesh of its own, measured under load.

The sidecars are pinned to one core; the load, the origin and the control plane share another.
"""

from __future__ import annotations

from pathlib import Path

import psutil

from labs.harness.mesh_api import MeshApi
from labs.harness.process_runtime import ProcessRuntime
from labs.harness.runtime import RuntimeFailure, RuntimeOptions
from loadtests.bench.load import Load
from loadtests.bench.measure import resident_bytes
from loadtests.bench.round import LOAD_CORE, MEASURED_CORE, Figures, measure, pin
from loadtests.bench.settings import CLIENT, PORTS, SERVER, Setting, topology
from mesh.model.names import OUTBOUND_PORT
from mesh.model.node import Engine

APPLY_WAIT_S = 120.0  # a thousand virtual hosts


class Sidecars:
    """``async with Sidecars(engine, folder) as pair``: up at the start, nothing left at the end."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self._runtime = ProcessRuntime(RuntimeOptions(folder=folder, dataplane=engine))

    async def __aenter__(self) -> Sidecars:
        try:
            await self._runtime.up(topology())
            self._pids = [await self._proxy_pid(CLIENT), await self._proxy_pid(SERVER)]
            self._tcp_address = await self._variable(CLIENT, "ECHO_SERVICE_HOST")
            self.origin_address = await self._variable(SERVER, "BIND_ADDRESS")
        except BaseException:
            await self._runtime.down()
            raise
        for pid in self._pids:
            pin(pid, MEASURED_CORE)
        pin(int((await self._runtime.identity(SERVER, "app")).id), LOAD_CORE)
        pin(int((await self._runtime.identity("control-plane", "control-plane")).id), LOAD_CORE)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._runtime.down()

    async def use(self, setting: Setting) -> None:
        """Apply the setting and wait until both sidecars have ACKed it."""
        api = MeshApi(self._runtime.control_plane)
        await api.apply(setting.yaml, f"{setting.key}.yaml", APPLY_WAIT_S)

    async def measure(self, setting: Setting, seconds: float, rate: float = 0.0) -> Figures:
        """Load the pair at ``rate`` requests a second, 0 = as fast as it answers; sample CPU meanwhile.

        The figures are the client sidecar's, then the server sidecar's.
        """
        load = Load(
            *self.entrance(setting),
            setting.authority,
            setting.protocol,
            setting.connections,
            setting.streams,
            setting.virtual_hosts,
            seconds,
            rate,
        )
        return await measure(f"{self.engine}, {setting.name}", self._pids, load)

    def entrance(self, setting: Setting) -> tuple[str, int]:
        """Where the setting's requests enter: the HTTP proxy, or the address of the service that is bytes."""
        if PORTS[setting.port][0] == "tcp":
            return self._tcp_address, setting.port
        return self._runtime.address(CLIENT), OUTBOUND_PORT

    def resident_bytes(self) -> float:
        """Of one sidecar, the mean of the two."""
        return sum(resident_bytes(pid) for pid in self._pids) / len(self._pids)

    def client_resident_bytes(self) -> int:
        return resident_bytes(self._pids[0])

    async def _variable(self, pod: str, name: str) -> str:
        """What the pod's app finds in its environment."""
        process = await self._runtime.exec(pod, ("printenv", name))
        async for line in process.lines():
            return line
        raise RuntimeFailure(f"{pod}: no {name} in its environment")

    async def _proxy_pid(self, pod: str) -> int:
        """The process that forwards: the sidecar itself, or the Envoy its agent started."""
        agent = int((await self._runtime.identity(pod, "sidecar")).id)
        if self.engine == "python":
            return agent
        for child in psutil.Process(agent).children(recursive=True):
            if "envoy" in child.name():
                return child.pid
        raise RuntimeFailure(f"{pod}: its agent runs no Envoy")
