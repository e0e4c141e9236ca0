"""Envoy's access log service: each sidecar streams what it finished, and how its connections go on; we decode
it and pass it on.

A stream opens with an identifier, which holds the sidecar's node; every message after it is that node's.
The node must belong to the identity that the call's token proves, so nobody counts in another's name.
Entries that cannot be read are counted and skipped: one odd request does not end a sidecar's stream.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import grpc
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from google.protobuf.json_format import MessageToDict
from prometheus_client import CollectorRegistry, Counter, Gauge

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.identity import SpiffeId
from mesh.model.node import Node
from mesh.model.peer import Peer
from mesh.xds.codec.access_log import decode_entry
from mesh.xds.codec.connection_log import decode_connection
from mesh.xds.errors import Rejected

_log = logging.getLogger("mesh.mixer")


class AccessLogServicer(als_pb2_grpc.AccessLogServiceServicer):  # type: ignore[misc]
    """``put`` gets each message's entries; ``caller`` is who the call was authenticated as (None:
    anybody).
    """

    def __init__(
        self,
        put: Callable[[Node, Sequence[AccessLogEntry]], None],
        registry: CollectorRegistry,
        caller: Callable[[], SpiffeId] | None = None,
    ) -> None:
        self._put = put
        self._caller = caller
        self._streams = Gauge("mixer_access_log_streams", "Open access log streams.", registry=registry)
        self._received = Counter(
            "mixer_access_log_entries_total", "Entries received.", ["proxy"], registry=registry
        )
        self._malformed = Counter(
            "mixer_access_log_malformed_entries_total", "Entries skipped as unreadable.", registry=registry
        )

    async def StreamAccessLogs(self, request_iterator: AsyncIterator[Any], context: Any) -> Any:
        self._streams.inc()
        try:
            return await self._serve(request_iterator, context)
        finally:
            self._streams.dec()

    async def _serve(self, messages: AsyncIterator[Any], context: Any) -> Any:
        node: Node | None = None
        async for message in messages:
            if message.HasField("identifier"):
                node = await self._identify(message.identifier.node, context)
            if node is None:
                reason = "the first message has no identifier"
                raise await context.abort(grpc.StatusCode.INVALID_ARGUMENT, reason)
            entries = self._decode(message.http_logs.log_entry, decode_entry, node)
            entries += self._decode(message.tcp_logs.log_entry, decode_connection, node)
            if entries:
                self._received.labels(f"{node.name}.{node.namespace}").inc(len(entries))
                self._put(node, entries)
        return als_pb2.StreamAccessLogsResponse()

    async def _identify(self, message: Any, context: Any) -> Node:
        try:
            node = Node.from_metadata(MessageToDict(message.metadata))
        except ValueError as error:
            raise await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        if self._caller is not None and self._caller() != node.spiffe_id:
            reason = f"node {node.id} is not of {self._caller()}"
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, reason)
        return node

    def _decode(
        self, log_entries: Sequence[Any], decode: Callable[[Any, Peer], AccessLogEntry], node: Node
    ) -> list[AccessLogEntry]:
        entries = []
        local = node.peer()
        for log_entry in log_entries:
            try:
                entries.append(decode(log_entry, local))
            except (Rejected, ValueError) as error:
                self._malformed.inc()
                _log.warning("%s sent an entry that cannot be read: %s", node.id, error)
        return entries


def add_to_server(servicer: AccessLogServicer, server: grpc.aio.Server) -> None:
    """Serve the access log service on a grpc.aio server."""
    als_pb2_grpc.add_AccessLogServiceServicer_to_server(servicer, server)
