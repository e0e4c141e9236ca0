"""The ADS server: one task reads each stream, one writes it; what to say is ``Delivery``'s to decide.

State of the world only. Every proxy's identity, registration and configuration are the ``Source``'s.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

import grpc
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf.json_format import MessageToDict

from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.xds.delivery import TYPE_NAMES, Delivery
from mesh.xds.errors import Refused
from mesh.xds.snapshot import snapshot
from mesh.xds.source import Source, TypeStatus
from mesh.xds.subscription import Request

SERVICE: Final = "envoy.service.discovery.v3.AggregatedDiscoveryService"
STREAM_METHOD: Final = "StreamAggregatedResources"

# A broken stream first looks like a half-closed one: gRPC reports the end of the requests, and the break
# itself a moment later (measured: within a few ms). Only who is still there after this time left on purpose.
_BREAK_NOTICE_S: Final = 0.1

# For the gRPC server that carries this service.
SERVER_OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    # two servers on one port must be an error; by default gRPC lets them share it in silence
    ("grpc.so_reuseport", 0),
    # notice a proxy whose host vanished without a word
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # a proxy may keep its own eye on us, as often
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
)

_log = logging.getLogger("mesh.xds")


class ProxyConnection:
    """One proxy's stream; the ``Connection`` that a ``Source`` holds."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._delivery = Delivery()
        self._due = asyncio.Event()

    @property
    def node(self) -> Node:
        return self._node

    @property
    def acked_generation(self) -> int | None:
        return self._delivery.acked_generation

    def push(self, resources: Resources, generation: int) -> None:
        """Raises Rejected when a resource cannot be encoded; the proxy then keeps what it has."""
        self._delivery.push(snapshot(resources), generation)
        self._due.set()

    def status(self) -> Mapping[str, TypeStatus]:
        return self._delivery.status()

    def receive(self, message: Any, source: Source) -> None:
        """Take a DiscoveryRequest and tell the source what it answers."""
        type_name = TYPE_NAMES.get(message.type_url)
        if type_name is None:
            _log.debug("%s asked for %s, which nobody serves", self._node.id, message.type_url)
            return
        before = self.acked_generation
        verdict = self._delivery.receive(type_name, _request(message))
        self._due.set()
        # a proxy that unsubscribes may owe nothing more, and has everything then, without a last ACK
        if verdict == "acked" or self.acked_generation != before:
            source.on_ack(self, type_name)
        elif verdict == "nacked":
            source.on_nack(self, type_name, message.error_detail.message)

    async def write(self, context: Any) -> None:
        """Send what is due, until the stream breaks, which its reader notices too. A proxy that does not
        read holds this up, and nothing piles up.
        """
        while True:
            while (message := self._delivery.next_response()) is not None:
                try:
                    await context.write(message)
                except grpc.aio.BaseError:
                    return
            self._due.clear()
            await self._due.wait()


class AdsServer:
    """Add it to a ``grpc.aio.server(options=SERVER_OPTIONS)``."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def add_to_server(self, server: grpc.aio.Server) -> None:
        """Requests are read as protobuf, responses are written as the bytes they already are."""
        stream = grpc.stream_stream_rpc_method_handler(
            self._stream, request_deserializer=discovery_pb2.DiscoveryRequest.FromString
        )
        delta = grpc.stream_stream_rpc_method_handler(_no_delta)
        handlers = {STREAM_METHOD: stream, "DeltaAggregatedResources": delta}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    async def _stream(self, requests: AsyncIterator[Any], context: Any) -> None:
        first = await anext(requests, None)
        if first is None:
            return
        connection = ProxyConnection(await _node(first, context))
        try:
            self._source.on_connect(connection)
        except Refused as refused:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(refused))
        clean = False
        try:
            async with asyncio.TaskGroup() as tasks:
                writer = tasks.create_task(connection.write(context), name=f"ads {connection.node.id}")
                connection.receive(first, self._source)
                async for message in requests:
                    connection.receive(message, self._source)
                await asyncio.sleep(_BREAK_NOTICE_S)
                clean = True
                writer.cancel()
        finally:
            self._source.on_disconnect(connection, clean)


async def _node(first: Any, context: Any) -> Node:
    """Who is calling; only the first request of a stream tells."""
    try:
        return Node.from_metadata(MessageToDict(first.node.metadata))
    except ValueError as error:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        raise  # never reached: abort raises


def _request(message: Any) -> Request:
    error = message.error_detail.message if message.HasField("error_detail") else None
    return Request(
        message.type_url,
        tuple(message.resource_names),
        message.version_info,
        message.response_nonce,
        error,
    )


async def _no_delta(_: Any, context: Any) -> None:
    text = f"DeltaAggregatedResources is not supported, use {STREAM_METHOD}"
    await context.abort(grpc.StatusCode.UNIMPLEMENTED, text)
