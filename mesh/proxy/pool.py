"""The connections to one endpoint: idle ones wait here, requests wait here for one that is being made.

    take(w) -> an idle connection, at once                        (the common path)
    wait(w) -> w.connected(c) or w.upstream_failed(f), later      (dials when it may)
    give_back(c): to the next who waits, else idle, else closed   (c is reusable)

A connection has one request at a time. Deciding is synchronous; only a dial is a task.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from mesh.proxy.dial import DialError, connect
from mesh.proxy.failure import Failure, connection_failure
from mesh.proxy.upstream import UpstreamConnection

if TYPE_CHECKING:
    from mesh.proxy.cluster import Host, RuntimeCluster


class Waiter(Protocol):
    """Who waits for a connection (an Exchange)."""

    def connected(self, connection: UpstreamConnection) -> None: ...

    def upstream_failed(self, failure: Failure) -> None: ...


class Pool:
    __slots__ = ("all", "cluster", "dialing", "draining", "host", "idle", "waiting")

    def __init__(self, host: Host, cluster: RuntimeCluster) -> None:
        self.host = host
        self.cluster = cluster
        self.idle: list[UpstreamConnection] = []
        self.all: set[UpstreamConnection] = set()
        self.waiting: deque[Waiter] = deque()
        self.dialing = 0
        self.draining = False

    def __repr__(self) -> str:
        return (
            f"<Pool {self.host.text}: {len(self.all)} connections, {len(self.idle)} idle, "
            f"{self.dialing} dialing, {len(self.waiting)} waiting>"
        )

    def take(self, waiter: Waiter) -> UpstreamConnection | None:
        """The connection used last: the others may fall idle and be closed."""
        idle = self.idle
        while idle:
            connection = idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def wait(self, waiter: Waiter) -> None:
        self.waiting.append(waiter)
        self.cluster.breaker.pending += 1
        self._dial_for_waiting()

    def forget(self, waiter: Waiter) -> None:
        """It no longer wants a connection; one that was dialled for it will serve the next."""
        if waiter in self.waiting:
            self.waiting.remove(waiter)
            self.cluster.breaker.pending -= 1

    def give_back(self, connection: UpstreamConnection, now: float) -> None:
        """A request is over and its connection is good for another."""
        limit = self.cluster.model.max_requests_per_connection
        if self.draining or (limit and connection.requests >= limit):
            connection.close()
        elif self.waiting:
            self._next_waiter().connected(connection)
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
        self._close([connection for connection in self.idle if connection.idle_since < before])

    def _close(self, connections: list[UpstreamConnection]) -> None:
        for connection in list(connections):
            self.idle.remove(connection)
            connection.close()

    def _next_waiter(self) -> Waiter:
        self.cluster.breaker.pending -= 1
        return self.waiting.popleft()

    def _dial_for_waiting(self) -> None:
        breaker = self.cluster.breaker
        while self.dialing < len(self.waiting):
            if not breaker.can_connect():
                self.cluster.stats.cx_overflow.value += 1
                return
            breaker.connections += 1
            self.dialing += 1
            self.cluster.worker.spawn(self._dial(), f"dial {self.host.text}")

    async def _dial(self) -> None:
        try:
            connection = await connect(self.cluster, self.host, self._make)
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
        self.give_back(connection, time.monotonic())
