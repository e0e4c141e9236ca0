"""Envoy's TCP proxy: a connection's bytes to an endpoint of a cluster, and back."""

from __future__ import annotations

import asyncio
import time
from itertools import accumulate
from typing import TYPE_CHECKING

from mesh.model.access_log_entry import AccessLogType, Reporter
from mesh.model.listener import Direction, TcpProxy
from mesh.model.rate_limit import ConnectionRateLimit
from mesh.proxy.connection_info import ConnectionInfo, address_text
from mesh.proxy.connection_record import Reports, Sink, make_entry
from mesh.proxy.dial import DialError, connect
from mesh.proxy.failure import NO_CLUSTER, NO_HEALTHY_UPSTREAM, OVERFLOW, Failure
from mesh.proxy.relay import Half
from mesh.proxy.reply import RETRY_LIMIT_EXCEEDED, flag_of
from mesh.proxy.timers import SWEEP_S, Timer
from mesh.proxy.token_bucket import TokenBucket
from mesh.proxy.worker import Worker

if TYPE_CHECKING:
    from mesh.proxy.chain import RuntimeChain
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.host import Host


class TcpHandler:
    """What the connections of a TCP proxy filter share; ``reporter`` is the side this listener stands on."""

    def __init__(self, model: TcpProxy, direction: Direction, worker: Worker, reports: Reports) -> None:
        self.model = model
        self.worker = worker
        self.reports = reports
        self.reporter: Reporter = "destination" if direction == "INBOUND" else "source"
        if model.stats is not None:
            self.reporter = model.stats.reporter
        prefix = f"tcp.{model.stat_prefix}.downstream_"
        self.cx_total = worker.stats.counter(prefix + "cx_total")
        self.cx_no_route = worker.stats.counter(prefix + "cx_no_route")
        self.cx_rx_bytes = worker.stats.counter(prefix + "cx_rx_bytes_total")
        self.cx_tx_bytes = worker.stats.counter(prefix + "cx_tx_bytes_total")
        self.idle_timeout = worker.stats.counter(f"tcp.{model.stat_prefix}.idle_timeout")
        self.max_duration = worker.stats.counter(
            f"tcp.{model.stat_prefix}.max_downstream_connection_duration"
        )
        self.limit = None if model.rate_limit is None else ConnectionLimiter(model.rate_limit, worker)

        names = model.weighted_clusters or ((model.cluster, 1),)
        self._names = [name for name, _ in names]
        self._shares = list(accumulate(weight for _, weight in names))

    def choose(self) -> str:
        """The cluster of the next connection."""
        if len(self._names) == 1:
            return self._names[0]
        return self.worker.rng.choices(self._names, cum_weights=self._shares)[0]


class ConnectionLimiter:
    """Envoy's network filter ``local_ratelimit``, before the TCP proxy."""

    def __init__(self, rules: ConnectionRateLimit, worker: Worker) -> None:
        self._bucket = TokenBucket(rules.bucket, worker.loop.time(), worker.workers)
        self._loop = worker.loop
        self._limited = worker.stats.counter(f"local_rate_limit.{rules.stat_prefix}.rate_limited")

    def admits(self) -> bool:
        """One more connection."""
        admitted = self._bucket.take(self._loop.time())
        self._limited.value += not admitted
        return admitted


class _UpstreamHalf(Half):
    def __init__(self, principal: str) -> None:
        super().__init__()
        self.principal = principal

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, ConnectionResetError) and isinstance(self.peer, TcpConnection):
            self.peer.flags = "UR"
        super().connection_lost(exc)


class TcpConnection(Half):
    """The client's side. Accepting never waits for the dial: that is a task of its own."""

    def __init__(self, handler: TcpHandler, info: ConnectionInfo, chain: RuntimeChain) -> None:
        super().__init__()
        self.handler = handler
        self.info = info
        self.chain = chain
        self.cluster_name = handler.choose()
        self.cluster: RuntimeCluster | None = None
        self.host: Host | None = None
        self.started = info.accepted_at
        self.start_time = time.time() - (time.monotonic() - info.accepted_at)
        self.flags = "-"
        self.transport_reason = ""
        self.stream_id = ""  # of its reports
        self.upstream_principal = self.upstream_local = ""
        self._report_timer: Timer | None = None
        self._other: _UpstreamHalf | None = None
        self._dial: asyncio.Task[None] | None = None
        self._counted = False
        self._expiry: Timer | None = None
        self._idle_timer: Timer | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.chain.enter(self)
        handler = self.handler
        handler.cx_total.value += 1
        if handler.limit is not None and not handler.limit.admits():
            self.flags = RETRY_LIMIT_EXCEEDED  # Envoy's word for it here
            self.transport.abort()
            return
        cluster = self.cluster = handler.worker.clusters.get(self.cluster_name)
        if cluster is None:
            handler.cx_no_route.value += 1
            self._give_up(NO_CLUSTER)
            return
        if not cluster.breaker.can_connect():
            cluster.stats.cx_overflow.value += 1
            self._give_up(OVERFLOW)
            return
        host = self.host = cluster.pick(self.info.original_dst)
        if host is None:
            cluster.stats.no_healthy.value += 1
            self._give_up(NO_HEALTHY_UPSTREAM)
            return
        self._count(cluster, host, 1)
        self._dial = handler.worker.spawn(self._connect(cluster, host), f"dial {host.text}")

    async def _connect(self, cluster: RuntimeCluster, host: Host) -> None:
        try:
            other = await connect(cluster, host, _UpstreamHalf)
        except DialError as error:
            if host.monitor is not None:
                host.monitor.failed(error.failure)
            self._give_up(error.failure)
            self.flags += f",{RETRY_LIMIT_EXCEEDED}"  # one attempt is all there is
            return
        if host.monitor is not None:
            host.monitor.connected()
        self._other = other
        self.upstream_principal = other.principal
        self.upstream_local = address_text(other.transport.get_extra_info("sockname"))
        if self.transport.is_closing():
            other.transport.abort()
            return
        self._report_upstream()
        self.join(other)
        other.join(self)
        lifetime_s = self.handler.model.max_connection_duration_s
        if lifetime_s:
            self._expiry = self.handler.worker.timers.after(lifetime_s, self._expire)
        self.close_idle(time.monotonic())

    def _expire(self) -> None:
        self.handler.max_duration.value += 1
        self.flags = "DT"
        self._cut()

    def _cut(self) -> None:
        """Close, whether or not the client takes what there still is for it."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        else:
            self.transport.close()

    def _give_up(self, failure: Failure) -> None:
        self.flags = flag_of(failure)
        self.transport_reason = failure.transport_reason
        self.transport.abort()

    def _count(self, cluster: RuntimeCluster, host: Host, change: int) -> None:
        self._counted = change > 0
        cluster.breaker.connections += change
        cluster.stats.cx_active.value += change
        host.active += change

    @property
    def bytes_sent(self) -> int:
        return self._other.bytes_received if self._other is not None else 0

    def _report_upstream(self) -> None:
        """There is an upstream; more reports follow while the connection lasts."""
        reports = self.handler.reports
        if reports.connected:
            self._report("TcpUpstreamConnected", reports.connected)
        if reports.periodic and reports.interval_s:
            self._report_timer = self.handler.worker.timers.after(reports.interval_s, self._report_again)

    def _report_again(self) -> None:
        reports = self.handler.reports
        self._report("TcpPeriodic", reports.periodic)
        self._report_timer = self.handler.worker.timers.after(reports.interval_s, self._report_again)

    def report_end(self) -> None:
        if self.handler.reports.end:
            self._report("TcpConnectionEnd", self.handler.reports.end)

    def _report(self, moment: AccessLogType, sinks: tuple[Sink, ...]) -> None:
        self.stream_id = self.stream_id or self.handler.worker.request_id().decode()
        entry = make_entry(self, moment)
        for sink in sinks:
            sink(entry)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.chain.leave(self)
        if self._dial is not None:
            self._dial.cancel()
        for timer in (self._expiry, self._report_timer, self._idle_timer):
            if timer is not None:
                timer.callback = None
        if self._counted and self.cluster is not None and self.host is not None:
            self._count(self.cluster, self.host, -1)
        if self._other is not None and self._other.transport.get_write_buffer_size():
            self._leave_behind(self._other.transport)
        self.handler.cx_rx_bytes.value += self.bytes_received
        self.handler.cx_tx_bytes.value += self.bytes_sent
        self.report_end()

    def _leave_behind(self, transport: asyncio.Transport) -> None:
        """The server has not taken all yet: it may, for as long as it might be silent (Envoy's drainer)."""
        limit_s = self.handler.model.idle_timeout_s
        if limit_s:
            self.handler.worker.timers.after(limit_s, transport.abort)

    def adopt(self, chain: RuntimeChain, handler: TcpHandler) -> None:
        """Go on under a new configuration of the same meaning."""
        self.chain, self.handler = chain, handler

    def drain(self) -> None:
        """Nothing in a byte stream says where it may end."""
        self.transport.abort()

    def ask_to_leave(self) -> None:
        """Nobody to ask: it goes on until the end."""

    def close_idle(self, now: float) -> None:
        """A stream may be silent for as long as the filter says, in both directions.

        This is called every ``SWEEP_S``; what is due before the next time gets a timer of its own.
        """
        limit_s = self.handler.model.idle_timeout_s
        if not limit_s or self._other is None:
            return
        left_s = max(self.active_at, self._other.active_at) + limit_s - now
        if left_s <= 0:
            self.handler.idle_timeout.value += 1
            self._cut()
        elif left_s < SWEEP_S:
            if self._idle_timer is not None:
                self._idle_timer.callback = None
            self._idle_timer = self.handler.worker.timers.after(left_s, self._look_again)

    def _look_again(self) -> None:
        self.close_idle(time.monotonic())
