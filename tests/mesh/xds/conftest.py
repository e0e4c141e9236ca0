"""A real ADS server on a loopback port, with a source that writes down what it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import grpc
import pytest

from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.proxy.agent.envoy_binary import find_envoy
from mesh.xds.errors import Refused
from mesh.xds.server import SERVER_OPTIONS, AdsServer, ProxyConnection

DEADLINE_S = 10  # for anything to happen at all


@dataclass
class RecordingSource:
    """Serves ``resources`` to whoever connects; ``refuse`` names whom not."""

    resources: Resources | None = None
    generation: int = 1
    refuse: str = ""
    connections: list[ProxyConnection] = field(default_factory=list)
    events: list[tuple[str, ...]] = field(default_factory=list)
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def on_connect(self, connection) -> None:
        if connection.node.name == self.refuse:
            raise Refused(f"{self.refuse} may not connect")
        self.connections.append(connection)
        if self.resources is not None:
            connection.push(self.resources, self.generation)
        self._note("connect", connection.node.name)

    def on_ack(self, connection, type_name: str) -> None:
        self._note("ack", type_name)

    def on_nack(self, connection, type_name: str, message: str) -> None:
        self._note("nack", type_name, message)

    def on_disconnect(self, connection, clean: bool) -> None:
        self.connections.remove(connection)
        self._note("disconnect", "clean" if clean else "broken")

    def push(self, resources: Resources) -> int:
        """Give everybody the next generation."""
        self.resources = resources
        self.generation += 1
        for connection in self.connections:
            connection.push(resources, self.generation)
        self._note("push")
        return self.generation

    def _note(self, *event: str) -> None:
        self.events.append(event)
        self._waker = asyncio.ensure_future(self._wake())

    async def _wake(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, predicate: Callable[[], bool]) -> None:
        """Wait for events until it holds; fails after the deadline, telling what happened instead."""
        try:
            async with asyncio.timeout(DEADLINE_S), self.changed:
                await self.changed.wait_for(predicate)
        except TimeoutError:
            status = [connection.status() for connection in self.connections]
            raise AssertionError(f"it did not happen: {self.events} {status}") from None

    async def until_acked(self, generation: int) -> None:
        """Until somebody is connected and everybody serves that generation."""

        def acked() -> bool:
            return bool(self.connections) and all(
                (connection.acked_generation or 0) >= generation for connection in self.connections
            )

        await self.until(acked)


@dataclass
class ControlPlane:
    """The server, which can be killed and started again on the same port."""

    source: RecordingSource
    port: int = 0
    server: grpc.aio.Server | None = None
    services: Callable[[grpc.aio.Server], object] = lambda _: None  # more to serve than ADS

    async def start(self) -> None:
        self.server = grpc.aio.server(options=SERVER_OPTIONS)
        AdsServer(self.source).add_to_server(self.server)
        self.services(self.server)
        self.port = self.server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self.server.start()

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop(None)
            self.server = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@pytest.fixture
async def control_plane() -> AsyncIterator[ControlPlane]:
    running = ControlPlane(RecordingSource())
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
def source(control_plane: ControlPlane) -> RecordingSource:
    return control_plane.source


@pytest.fixture
def node() -> Node:
    return Node("reviews-v1-0", "default", "127.0.0.1", "bookinfo-reviews", "reviews-v1", "reviews")


@dataclass
class Envoy:
    """The real one, configured by the control plane under test. Its listeners bind free ports."""

    process: asyncio.subprocess.Process
    admin: str
    http: aiohttp.ClientSession

    async def admin_json(self, path: str):
        async with self.http.get(f"http://{self.admin}{path}") as response:
            return await response.json(content_type=None)

    async def stat(self, name: str) -> int:
        stats = await self.admin_json(f"/stats?format=json&filter=^{name}$")
        return stats["stats"][0]["value"]

    async def until_stat(self, name: str, value: int) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                if await self.stat(name) == value:
                    return
                await asyncio.sleep(0.01)

    async def url(self, listener: str) -> str:
        """Where a listener of that name really listens."""
        status = await self.admin_json("/listeners?format=json")
        found = next(each for each in status["listener_statuses"] if each["name"] == listener)
        address = found["local_address"]["socket_address"]
        return f"http://{address['address']}:{address['port_value']}/"


def envoy_bootstrap(node: Node, port: int) -> dict:
    """ADS over plaintext. Reconnecting within a second, as the agent's bootstrap has it (pitfall d)."""
    http2 = {
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        }
    }
    endpoint = {"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}
    clusters = [
        {
            "name": name,
            "type": "STATIC",
            "typed_extension_protocol_options": http2,
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        }
        for name in ("xds-grpc", "sds-grpc")
    ]
    backoff = {"retry_back_off": {"base_interval": "0.1s", "max_interval": "1s"}}
    over_ads = {"ads": {}, "resource_api_version": "V3"}
    return {
        "node": {"id": node.id, "cluster": "test", "metadata": node.to_metadata()},
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}},
        "static_resources": {"clusters": clusters},
        "dynamic_resources": {
            "lds_config": over_ads,
            "cds_config": over_ads,
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": {"cluster_name": "xds-grpc", "retry_policy": backoff}}],
            },
        },
    }


@pytest.fixture
async def envoy(control_plane: ControlPlane, node: Node, tmp_path: Path) -> AsyncIterator[Envoy]:
    """An Envoy of its own for each test, started and on its admin interface, not yet configured."""
    config, admin, log = tmp_path / "envoy.json", tmp_path / "admin", tmp_path / "envoy.log"
    config.write_text(json.dumps(envoy_bootstrap(node, control_plane.port)))
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(str(find_envoy()), "-c", str(config), "--admin-address-path", str(admin)),
            *("--disable-hot-restart", "--concurrency", "1", "-l", "warning"),
            *("--drain-time-s", "1", "--drain-strategy", "immediate"),
            stdout=output,
            stderr=output,
        )
    try:
        async with aiohttp.ClientSession() as http:
            async with asyncio.timeout(DEADLINE_S):
                while not (admin.exists() and admin.read_text()):
                    assert process.returncode is None, log.read_text()
                    await asyncio.sleep(0.01)
            yield Envoy(process, admin.read_text(), http)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
