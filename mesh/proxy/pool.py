"""The connections to one endpoint: idle ones wait here, requests wait here for one that is being made.

    take(w) -> an idle connection, at once                        (the common path)
    wait(w) -> w.connected(c) or w.upstream_failed(f), later      (dials when it may)
    give_back(c): to the next who waits, else idle, else closed   (c is reusable)

A connection has one request at a time. Deciding is synchronous; only a dial is a task.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from mesh.model import names
from mesh.proxy.dial import DialError, connect
from mesh.proxy.failure import Failure, connection_failure
from mesh.proxy.upstream import UpstreamConnection

if TYPE_CHECKING:
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.ends import Requester, Upstream
    from mesh.proxy.host import Host


class Pool:
    __slots__ = ("all", "cluster", "dialing", "draining", "host", "idle", "waiting")
    request_alpn = names.REQUEST_ALPN

    def __init__(self, host: Host, cluster: RuntimeCluster) -> None:
        self.host = host
        self.cluster = cluster
        self.idle: list[UpstreamConnection] = []
        self.all: set[UpstreamConnection] = set()
        self.waiting: deque[Requester] = deque()
        self.dialing = 0
        self.draining = False

    def __repr__(self) -> str:
        return (
            f"<Pool {self.host.text}: {len(self.all)} connections, {len(self.idle)} idle, "
            f"{self.dialing} dialing, {len(self.waiting)} waiting>"
        )

    def take(self, waiter: Requester) -> Upstream | None:
        """The connection used last: the others may fall idle and be closed."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def wait(self, waiter: Requester) -> None:
        self.waiting.append(waiter)
        self.cluster.breaker.pending += 1
        self.cluster.stats.pending_total.value += 1
        self._dial_for_waiting()

    def forget(self, waiter: Requester) -> None:
        """It no longer wants a connection; one that was dialled for it will serve the next."""
        if waiter in self.waiting:
            self.waiting.remove(waiter)
            self.cluster.breaker.pending -= 1

    def give_back(self, connection: UpstreamConnection, now: float) -> None:
        """A request is over and its connection is good for another; who waits is served while it drains."""
        if self.cluster.limits_connections and self._is_used_up(connection, now):
            connection.close()
        elif self.waiting:
            self._next_waiter().connected(connection)
        elif self.draining:
            connection.close()
        else:
            connection.idle_since = now
            self.idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """A connection is closed."""
        if connection not in self.all:
            return  # it never came so far as to be counted
        self.all.discard(connection)
        if connection in self.idle:
            self.idle.remove(connection)
        self.cluster.breaker.connections -= 1
        self.cluster.stats.cx_active.value -= 1
        self._dial_for_waiting()

    def drain(self) -> None:
        """No request will be sent here any more: close what is idle, the rest when it is given back."""
        self.draining = True
        self._close(self.idle)

    def close_idle(self, before: float) -> None:
        silent = [connection for connection in self.idle if connection.idle_since < before]
        self.cluster.stats.cx_idle_timeout.value += len(silent)
        self._close(silent)

    def _is_used_up(self, connection: UpstreamConnection, now: float) -> bool:
        """It has served as often, or lived as long, as a connection may."""
        model, stats = self.cluster.model, self.cluster.stats
        if model.max_requests_per_connection and connection.requests >= model.max_requests_per_connection:
            stats.cx_max_requests.value += 1
            return True
        if model.max_connection_duration_s and now >= connection.expires_at:
            stats.cx_max_duration_reached.value += 1
            return True
        return False

    def _close_expired(self) -> None:
        """A connection's time is over: busy ones are closed once they are free."""
        now = time.monotonic()
        expired = [connection for connection in self.idle if now >= connection.expires_at]
        self.cluster.stats.cx_max_duration_reached.value += len(expired)
        self._close(expired)

    def _close(self, connections: list[UpstreamConnection]) -> None:
        for connection in list(connections):
            self.idle.remove(connection)
            connection.close()

    def _next_waiter(self) -> Requester:
        self.cluster.breaker.pending -= 1
        return self.waiting.popleft()

    def _dial_for_waiting(self) -> None:
        while self.dialing < len(self.waiting) and self._dial_one():
            pass

    def _dial_one(self) -> bool:
        """Begin a connection, if the cluster may have another."""
        breaker = self.cluster.breaker
        if not breaker.can_connect():
            self.cluster.stats.cx_overflow.value += 1
            if self.all or self.dialing:
                return False
            # other endpoints have all the connections: one there must be, or they wait for ever (Envoy)
        breaker.connections += 1
        self.dialing += 1
        alpn = self.request_alpn if any(waiter.names_protocol for waiter in self.waiting) else None
        self.cluster.worker.spawn(self._dial(alpn), f"dial {self.host.text}")
        return True

    async def _dial(self, alpn: tuple[str, ...] | None) -> None:
        try:
            connection = await connect(self.cluster, self.host, self._make, alpn)
        except DialError as error:
            self._dial_failed(error.failure)
        else:
            self._dialled(connection)

    def _make(self, principal: str) -> UpstreamConnection:
        return UpstreamConnection(self, principal)

    def _dial_failed(self, reason: Failure) -> None:
        self.dialing -= 1
        self.cluster.breaker.connections -= 1
        if self.waiting:
            self._next_waiter().upstream_failed(reason)
        self._dial_for_waiting()

    def _dialled(self, connection: UpstreamConnection) -> None:
        if connection.transport.is_closing():
            self._dial_failed(connection_failure("connection closed"))
            return
        self.dialing -= 1
        self.cluster.stats.cx_active.value += 1
        self.all.add(connection)
        now = time.monotonic()
        if lifetime_s := self.cluster.model.max_connection_duration_s:
            connection.expires_at = now + lifetime_s
            self.cluster.worker.timers.after(lifetime_s, self._close_expired)
        self.give_back(connection, now)
