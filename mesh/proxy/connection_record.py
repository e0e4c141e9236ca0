"""A connection that is only bytes, as the entries that logs, metrics and mixer are made from.

It is reported when it has its upstream, at intervals, and at its end (Envoy's ``access_log_options``).
Istio's metrics take all three, by themselves every 5 s (``tcp_reporting_duration``).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from mesh.model.access_log_entry import AccessLogEntry, AccessLogType
from mesh.model.http_filter import AccessLog, IstioStats
from mesh.model.listener import TcpProxy
from mesh.model.peer import UNKNOWN_PEER

if TYPE_CHECKING:
    from mesh.proxy.tcp_proxy import TcpConnection

REPORTING_S = 5.0

Sink = Callable[[AccessLogEntry], None]
# as ``http_manager.MakeSink``
MakeSink = Callable[[AccessLog | IstioStats], Sink | None]


class Reports:
    """Where the connections of a TCP proxy are reported, by moment: three tuples of sinks."""

    __slots__ = ("connected", "end", "interval_s", "periodic")

    def __init__(self, model: TcpProxy, make_sink: MakeSink) -> None:
        """Raises Rejected."""
        stats = _sinks((model.stats,) if model.stats is not None else (), make_sink)
        self.interval_s = model.access_log_flush_interval_s or (REPORTING_S if stats else 0.0)
        self.connected = self.periodic = stats
        if model.flush_access_log_on_connected:
            self.connected = stats + _sinks(_of(model, "TcpUpstreamConnected"), make_sink)
        if model.access_log_flush_interval_s:
            self.periodic = stats + _sinks(_of(model, "TcpPeriodic"), make_sink)
        self.end = stats + _sinks(_of(model, "TcpConnectionEnd"), make_sink)


def _of(model: TcpProxy, moment: AccessLogType) -> tuple[AccessLog, ...]:
    return tuple(log for log in model.access_logs if not log.types or moment in log.types)


def _sinks(sources: tuple[AccessLog | IstioStats, ...], make_sink: MakeSink) -> tuple[Sink, ...]:
    return tuple(sink for sink in map(make_sink, sources) if sink is not None)


def make_entry(connection: TcpConnection, moment: AccessLogType) -> AccessLogEntry:
    info, host, worker = connection.info, connection.host, connection.handler.worker
    at_source = connection.handler.reporter == "source"
    if at_source:
        source, destination = worker.own_peer, host.peer if host is not None else UNKNOWN_PEER
        destination_principal = connection.upstream_principal
        source_principal = worker.own_principal if destination_principal else ""
    else:
        source, destination = UNKNOWN_PEER, worker.own_peer
        source_principal, destination_principal = info.peer_principal, info.local_principal
    return AccessLogEntry(
        reporter=connection.handler.reporter,
        start_time=connection.start_time,
        duration_s=time.monotonic() - connection.started,
        method="",
        path="",
        protocol="",
        authority="",
        response_code=0,
        response_flags=connection.flags,
        upstream_transport_failure_reason=connection.transport_reason,
        bytes_received=connection.bytes_received,
        bytes_sent=connection.bytes_sent,
        upstream_host=host.text if host is not None else "",
        upstream_cluster=connection.cluster.model.name if connection.cluster is not None else "",
        upstream_local_address=connection.upstream_local,
        downstream_local_address=info.local_text,
        downstream_remote_address=info.remote_text,
        requested_server_name=info.server_name,
        tls_version=info.tls_version,
        source_principal=source_principal,
        destination_principal=destination_principal,
        source=source,
        destination=destination,
        access_log_type=moment,
        stream_id=connection.stream_id,
    )
