"""Envoy's access log stream: counted here, and passed on to mixer.

A stock Envoy has no istio_stats filter, so the agent is it. Envoy logs to nobody else: one log instead of
two, and the counts stay whole while mixer is away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.request_report import CommonFacts, RequestReport, split
from mesh.proxy.istio_stats import IstioStats
from mesh.xds.codec.access_log import decode_entry
from mesh.xds.codec.connection_log import decode_connection


class AccessLogServicer(als_pb2_grpc.AccessLogServiceServicer):  # type: ignore[misc]
    """``pass_on`` gets each request's report after it is counted, ``pass_on_connection`` each report of a
    connection that is only bytes; neither may block."""

    def __init__(
        self,
        stats: IstioStats,
        pass_on: Callable[[RequestReport], None],
        pass_on_connection: Callable[[AccessLogEntry], None],
    ) -> None:
        self._stats = stats
        self._pass_on = pass_on
        self._pass_on_connection = pass_on_connection
        self._local = stats.node.peer()
        self._known: dict[tuple[object, ...], CommonFacts] = {}

    async def StreamAccessLogs(self, requests: AsyncIterator[Any], _context: Any) -> Any:
        async for message in requests:
            for logged in message.http_logs.log_entry:
                self._take(decode_entry(logged, self._local))
            for logged in message.tcp_logs.log_entry:
                self._take_connection(decode_connection(logged, self._local))
        return als_pb2.StreamAccessLogsResponse()

    def _take(self, entry: AccessLogEntry) -> None:
        report = split(entry, self._known)
        self._stats.record(report)
        self._pass_on(report)

    def _take_connection(self, entry: AccessLogEntry) -> None:
        self._stats.record_connection(entry)
        self._pass_on_connection(entry)
