"""A real ADS server on a loopback port, with a source that writes down what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import grpc
import pytest

from mesh.model.node import Node
from mesh.model.resources import Resources
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

    async def start(self) -> None:
        self.server = grpc.aio.server(options=SERVER_OPTIONS)
        AdsServer(self.source).add_to_server(self.server)
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
