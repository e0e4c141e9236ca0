"""Our data plane, fed with the resources that Envoy gets, as our codec reads them from the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from envoy.service.accesslog.v3 import als_pb2

from differ.engine import Entries
from differ.origin import Origin
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.http_filter import GrpcAccessLog
from mesh.model.node import Node
from mesh.model.request_report import RequestReport
from mesh.model.resources import Resources
from mesh.model.tls import Secrets
from mesh.proxy.config import DynamicConfig
from mesh.proxy.worker import Worker
from mesh.xds.codec.access_log import decode_entry
from mesh.xds.codec.access_log_batch import BatchEncoder
from mesh.xds.codec.codec import decode, encode
from mesh.xds.codec.connection_log import decode_connection, encode_connection


class Ours:
    name = "ours"

    def __init__(self, node: Node, origin: Origin, port: int) -> None:
        self.port = port
        self.origin = origin
        self.entries = Entries()
        self._encoder = BatchEncoder()
        self.worker = Worker(node, asyncio.get_running_loop(), rng=Random(1))
        self.config = DynamicConfig(
            self.worker,
            lambda source: self._log if isinstance(source, GrpcAccessLog) else None,
            lambda source: self._log_connection if isinstance(source, GrpcAccessLog) else None,
        )

    def _log(self, report: RequestReport) -> None:
        """As it comes out of a log service's stream: Envoy's does as well."""
        sent = als_pb2.StreamAccessLogsMessage.FromString(self._encoder.encode([report]))
        (logged,) = sent.http_logs.log_entry
        self.entries.append(decode_entry(logged, self.worker.node.peer()))

    def _log_connection(self, entry: AccessLogEntry) -> None:
        self.entries.append(decode_connection(encode_connection(entry), self.worker.node.peer()))

    def apply(self, resources: Resources) -> None:
        self.config.apply(
            Resources(
                clusters=tuple(_carried(found) for found in resources.clusters),
                listeners=tuple(_carried(found) for found in resources.listeners),
            )
        )

    async def stop(self) -> None:
        for listener in self.config.listeners.values():
            listener.stop()
            listener.for_each_connection(lambda connection: connection.transport.abort())
        for cluster in self.worker.clusters.values():
            cluster.drain()
        await asyncio.sleep(0)


def _carried(resource: Any) -> Any:
    return decode(encode(resource))


@asynccontextmanager
async def start_ours(
    node: Node, resources: Resources, origin: Origin, port: int, secrets: Secrets | None = None
) -> AsyncIterator[Ours]:
    ours = Ours(node, origin, port)
    if secrets is not None:
        ours.worker.contexts.update(secrets)
    ours.apply(resources)
    try:
        yield ours
    finally:
        await ours.stop()
