"""The sender against a real gRPC server of Envoy's access log service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import grpc
import pytest
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc

from mesh.grpc.channel import Channel
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node
from mesh.model.request_report import RequestReport, split
from mesh.proxy.als import AccessLogService
from mesh.proxy.stats import Stats
from mesh.xds.codec.access_log import decode_entry
from mesh.xds.codec.access_log_batch import BatchEncoder

OPTIONS = (("grpc.so_reuseport", 0),)


class Collector(als_pb2_grpc.AccessLogServiceServicer):  # type: ignore[misc]
    """Takes streams until ``refuse`` is set; keeps what came."""

    def __init__(self) -> None:
        self.identifiers: list[Any] = []
        self.batches: list[list[Any]] = []
        self.ended = 0
        self.changed = asyncio.Condition()

    async def StreamAccessLogs(self, messages: AsyncIterator[Any], context: Any) -> Any:
        async for message in messages:
            if message.HasField("identifier"):
                self.identifiers.append(message.identifier)
            self.batches.append(list(message.http_logs.log_entry))
            await self._notify()
        self.ended += 1
        await self._notify()
        return als_pb2.StreamAccessLogsResponse()

    @property
    def paths(self) -> list[str]:
        return [entry.request.path for batch in self.batches for entry in batch]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10), self.changed:
            await self.changed.wait_for(condition)

    async def _notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()


class Server:
    def __init__(self) -> None:
        self.collector = Collector()
        self.port = 0

    async def start(self) -> None:
        self._server = grpc.aio.server(options=OPTIONS)
        als_pb2_grpc.add_AccessLogServiceServicer_to_server(self.collector, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()

    async def stop(self) -> None:
        await self._server.stop(None)

    def channel(self) -> Channel:
        return Channel(("127.0.0.1", self.port))


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    await made.start()
    yield made
    await made.stop()


def sender(
    node: Node, server: Server, stats: Stats | None = None, **options: Any
) -> AccessLogService[RequestReport]:
    options = {"flush_interval_s": 0.02} | options
    return AccessLogService(node, server.channel, stats or Stats(), BatchEncoder(), **options)


async def test_entries_arrive_with_who_sent_them(node: Node, server: Server, entry: AccessLogEntry) -> None:
    stats = Stats()
    service = sender(node, server, stats)
    await service.start()
    for number in range(100):
        service.add(split(replace(entry, path=f"/{number}", start_time=1_700_000_000.0)))
    await server.collector.until(lambda: len(server.collector.paths) == 100)
    await service.stop()
    (identifier,) = server.collector.identifiers
    assert identifier.log_name == "mixer"
    assert identifier.node.id == node.id
    assert identifier.node.metadata["WORKLOAD_NAME"] == "productpage-v1"
    assert server.collector.paths == [f"/{number}" for number in range(100)]
    assert max(map(len, server.collector.batches)) <= 16384 // 512
    first = decode_entry(server.collector.batches[0][0], node.peer())
    assert first == replace(entry, path="/0", start_time=1_700_000_000.0)
    assert stats.counter("access_logs.grpc_access_log.logs_written").value == 100


async def test_one_entry_is_sent_when_the_interval_is_over(
    node: Node, server: Server, entry: AccessLogEntry
) -> None:
    service = sender(node, server)
    await service.start()
    service.add(split(entry))
    await server.collector.until(lambda: len(server.collector.paths) == 1)
    service.add(split(entry))
    await server.collector.until(lambda: len(server.collector.paths) == 2)
    await service.stop()
    assert len(server.collector.identifiers) == 1  # one stream for both


async def test_stop_sends_what_is_left_and_ends_the_stream_in_order(
    node: Node, server: Server, entry: AccessLogEntry
) -> None:
    service = sender(node, server, flush_interval_s=3600.0)
    await service.start()
    for _ in range(5):
        service.add(split(entry))
    await service.stop()
    await server.collector.until(lambda: server.collector.ended == 1)
    assert len(server.collector.paths) == 5


async def test_stop_returns_when_nothing_was_ever_sent(node: Node, server: Server) -> None:
    service = sender(node, server)
    await service.start()
    await service.stop()
    assert server.collector.batches == []


async def test_without_a_control_plane_memory_is_bounded_and_the_loss_counted(
    node: Node, server: Server, entry: AccessLogEntry
) -> None:
    await server.stop()
    stats = Stats()
    service = sender(node, server, stats, max_entries=10)
    await service.start()
    for _ in range(25):
        service.add(split(entry))
    dropped = stats.counter("access_logs.grpc_access_log.logs_dropped")
    assert dropped.value == 15
    await service.stop(timeout_s=0.05)
    assert dropped.value == 25
    await server.start()


async def test_it_connects_again_and_sends_what_waited(
    node: Node, server: Server, entry: AccessLogEntry
) -> None:
    service = sender(node, server)
    await service.start()
    service.add(split(replace(entry, path="/before")))
    await server.collector.until(lambda: server.collector.paths == ["/before"])
    await server.stop()
    for number in range(50):
        service.add(split(replace(entry, path=f"/{number}")))
    await server.start()
    await server.collector.until(lambda: "/49" in server.collector.paths)
    await service.stop()
    assert len(server.collector.identifiers) == 2
    # a stream that breaks may take the batch with it that was under way, never more and never out of order
    after = server.collector.paths[1:]
    assert after == [f"/{number}" for number in range(50 - len(after), 50)]
    assert len(after) >= 50 - 32
