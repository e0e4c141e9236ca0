"""A control plane in a process of its own, and sidecars that connect to it as real ones do."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from labs.harness.free_port import free_port
from mesh.citadel.tokens import Tokens
from mesh.model.node import Node, ServicePort
from mesh.model.resources import Resources
from mesh.proxy.agent.control_plane import open_channel
from mesh.proxy.bootstrap import Bootstrap
from mesh.xds.client import AdsClient
from mesh.xds.errors import Rejected

DEADLINE_S = 20.0  # for anything to happen on a busy machine

PROGRAM = """
import asyncio, logging, sys
from pathlib import Path
from mesh.control_plane.server import Options, run
logging.basicConfig(level="INFO")
data, *ports = sys.argv[1:]
asyncio.run(run(Options(Path(data), "127.0.0.1", (), *map(int, ports))))
"""


class ControlPlane:
    """The process; ``log`` is what it wrote in all its lives."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.ports = [free_port() for _ in range(3)]
        self.log = ""
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            PROGRAM,
            str(self.data_dir),
            *map(str, self.ports),
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(DEADLINE_S):
            await self._read(until="ready on")

    async def end(self, how: signal.Signals) -> int:
        process = self._process
        assert process is not None
        if process.returncode is None:
            process.send_signal(how)
        async with asyncio.timeout(DEADLINE_S):
            await self._read()
            return await process.wait()

    async def _read(self, until: str | None = None) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.log += line.decode()
            if until is not None and until in line.decode():
                return
        assert until is None, self.log

    async def ask(self, method: str, path: str, body: str = "", token: str | None = None) -> tuple[int, Any]:
        """(status, JSON or text) of a call of the HTTP API, with the admin token."""
        token = (self.data_dir / "admin-token").read_text() if token is None else token
        url = f"http://127.0.0.1:{self.ports[2]}{path}"
        headers = {"Authorization": f"Bearer {token}"}
        async with aiohttp.request(method, url, data=body.encode(), headers=headers) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, json.loads(text) if is_json else text


class Sidecar:
    """An ADS client over TLS with its token. ``history`` is every configuration it took."""

    def __init__(self, node: Node, control_plane: ControlPlane, account: str | None = None) -> None:
        self.node = node
        self.history: list[Resources] = []
        self.refuse: Callable[[Resources], str | None] = lambda resources: None
        self._changed = asyncio.Event()
        data = control_plane.data_dir
        token_file = data / f"{node.name}.token"
        token_file.write_text(Tokens.open(data).issue(node.namespace, account or node.service_account))
        self.bootstrap = Bootstrap(
            control_plane=f"127.0.0.1:{control_plane.ports[1]}",
            root_cert=data / "citadel" / "root-cert.pem",
            token_file=token_file,
            run_dir=data,
        )
        self.client = AdsClient(node, lambda: open_channel(self.bootstrap), self._apply)

    def _apply(self, resources: Resources) -> None:
        reason = self.refuse(resources)
        if reason is not None:
            raise Rejected(reason)
        self.history.append(resources)
        self._changed.set()

    async def until(self, holds: Callable[[Resources], bool]) -> Resources:
        """The present configuration, once it is as asked."""
        async with asyncio.timeout(DEADLINE_S):
            while not (self.history and holds(self.history[-1])):
                self._changed.clear()
                await self._changed.wait()
        return self.history[-1]


StartSidecar = Callable[..., Awaitable[Sidecar]]


def endpoints(resources: Resources) -> frozenset[str]:
    """The workloads behind any cluster."""
    found = (one for cla in resources.endpoints for part in cla.localities for one in part.endpoints)
    return frozenset(endpoint.workload.split(";")[0] for endpoint in found)


def route_names(resources: Resources) -> frozenset[str]:
    return frozenset(
        route.name for config in resources.routes for host in config.virtual_hosts for route in host.routes
    )


@pytest.fixture
async def control_plane(tmp_path: Path) -> AsyncIterator[ControlPlane]:
    made = ControlPlane(tmp_path)
    await made.start()
    try:
        yield made
    finally:
        await made.end(signal.SIGKILL)


@pytest.fixture
def node() -> Callable[..., Node]:
    def make(workload: str = "reviews-v1", number: int = 1, **changes: Any) -> Node:
        app, _, version = workload.partition("-")
        made = Node(
            name=f"{workload}-0",
            namespace="default",
            address=f"127.69.{number}.2",
            service_account=f"bookinfo-{app}",
            workload=workload,
            service=app,
            ports=(ServicePort("http", 9080, 9080),),
            labels={"app": app, "version": version},
            app_address=f"127.69.{number}.1",
            interception="NONE",
        )
        return replace(made, **changes)

    return make


@pytest.fixture
async def sidecar(control_plane: ControlPlane) -> AsyncIterator[StartSidecar]:
    started: list[Sidecar] = []

    async def start(node: Node, account: str | None = None) -> Sidecar:
        made = Sidecar(node, control_plane, account)
        made.client.start()
        started.append(made)
        return made

    yield start
    for one in started:
        await one.client.stop()


@pytest.fixture
def look() -> Mapping[str, Callable[[Resources], frozenset[str]]]:
    return {"endpoints": endpoints, "routes": route_names}
