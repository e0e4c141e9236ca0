"""The HTTP/2 connections to one endpoint: few, shared by all requests. The same questions as ``Pool``.

A request takes a stream of a connection that has room; a new connection is dialled when none has, one at a
time. ``ClientProtocolPool`` has both kinds, for clusters that speak what the client speaks.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from mesh.model import names
from mesh.proxy.failure import connection_failure
from mesh.proxy.http2_upstream import Http2Upstream
from mesh.proxy.pool import Pool
from mesh.proxy.upstream_stream import UpstreamStream

if TYPE_CHECKING:
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.ends import Requester
    from mesh.proxy.host import Host


class Http2Pool(Pool):
    """``connections`` are those that are open, ``max_streams`` the cluster's own limit (0: none)."""

    __slots__ = ("connections", "max_streams")
    request_alpn = names.REQUEST_ALPN_H2

    def __init__(self, host: Host, cluster: RuntimeCluster) -> None:
        super().__init__(host, cluster)
        self.connections: list[Http2Upstream] = []
        self.max_streams = cluster.model.max_concurrent_streams

    def take(self, waiter: Requester) -> Any:
        """A new stream where there is room for one."""
        for connection in self.connections:
            if connection.can_open():
                return UpstreamStream(connection)
        return None

    def serve_waiting(self) -> None:
        while self.waiting and (stream := self.take(self.waiting[0])) is not None:
            self._next_waiter().connected(stream)
        self._dial_for_waiting()

    def _dial_for_waiting(self) -> None:
        if self.waiting and not self.dialing:
            self._dial_one()

    def _make(self, principal: str) -> Any:
        return Http2Upstream(self, principal)

    def _dialled(self, made: Any) -> None:
        connection = cast("Http2Upstream", made)
        if connection.closing or connection.transport.is_closing():
            self._dial_failed(connection_failure("connection closed"))
            return
        self.dialing -= 1
        self.cluster.stats.cx_active.value += 1
        now = connection.idle_since = time.monotonic()
        if lifetime_s := self.cluster.model.max_connection_duration_s:
            connection.expires_at = now + lifetime_s
            self.cluster.worker.timers.after(lifetime_s, self._close_expired)
        self.all.add(made)
        self.connections.append(connection)
        self.serve_waiting()
        if self.draining:
            connection.drain()

    def _dial_failed(self, reason: Any) -> None:
        """Nobody who waits now would fare better: all are told, as Envoy does."""
        self.dialing -= 1
        self.cluster.breaker.connections -= 1
        for _ in range(len(self.waiting)):
            self._next_waiter().upstream_failed(reason)
        self._dial_for_waiting()

    def lost(self, connection: Any) -> None:
        if connection in self.all:
            self.connections.remove(connection)
        super().lost(connection)

    def drain(self) -> None:
        self.draining = True
        for connection in list(self.connections):
            connection.drain()

    def close_idle(self, before: float) -> None:
        for connection in list(self.connections):
            if not connection.codec.streams and connection.idle_since < before:
                self.cluster.stats.cx_idle_timeout.value += 1
                connection.drain()

    def _close_expired(self) -> None:
        """A connection's time is over: it ends with its last stream."""
        now = time.monotonic()
        for connection in list(self.connections):
            if now >= connection.expires_at and not connection.draining:
                self.cluster.stats.cx_max_duration_reached.value += 1
                connection.drain()


class ClientProtocolPool(Pool):
    """Istio's useClientProtocol: an HTTP/2 client's requests go out as HTTP/2, others as HTTP/1.1."""

    __slots__ = ("http2",)

    def __init__(self, host: Host, cluster: RuntimeCluster) -> None:
        super().__init__(host, cluster)
        self.http2 = Http2Pool(host, cluster)

    def take(self, waiter: Requester) -> Any:
        return self.http2.take(waiter) if _is_http2(waiter) else super().take(waiter)

    def wait(self, waiter: Requester) -> None:
        if _is_http2(waiter):
            self.http2.wait(waiter)
        else:
            super().wait(waiter)

    def forget(self, waiter: Requester) -> None:
        super().forget(waiter)
        self.http2.forget(waiter)

    def drain(self) -> None:
        super().drain()
        self.http2.drain()

    def close_idle(self, before: float) -> None:
        super().close_idle(before)
        self.http2.close_idle(before)


def _is_http2(waiter: Any) -> bool:
    return getattr(waiter.downstream, "protocol", "") == "HTTP/2"


def make_pool(host: Host, cluster: RuntimeCluster) -> Pool:
    """The pool for the protocols that the cluster speaks."""
    if cluster.model.use_client_protocol:
        return ClientProtocolPool(host, cluster)
    return Http2Pool(host, cluster) if cluster.model.http2 else Pool(host, cluster)
