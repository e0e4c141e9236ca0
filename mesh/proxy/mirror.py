"""Copies of a request, sent to another cluster and forgotten: what comes back, or does not, changes nothing.

A copy has the head that the request has (less its host, see ``shadow_host``), and of the body what the
upstream is sent, as it is sent. It counts at its cluster like any request: limits, endpoints, statistics.
It is given up when it lags behind the body too far, takes too long, or the client goes away in mid-body.
Source: Envoy's router (``shadow_writer_impl.cc``, ``getShadowHost``).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mesh.http.message import Request, Response
from mesh.model.route import Mirror
from mesh.proxy.failure import Failure
from mesh.proxy.request_body import RequestBody

if TYPE_CHECKING:
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.ends import Upstream
    from mesh.proxy.exchange import Exchange
    from mesh.proxy.host import Host
    from mesh.proxy.timers import Timer

# What a copy may have waiting to be sent; beyond that its cluster is too slow to be worth the memory.
MAX_LAG_BYTES = 1024 * 1024
# For routes without a timeout: a copy whose answer never comes would hold its connection for ever.
GIVE_UP_S = 60.0


def begin_mirrors(exchange: Exchange, mirrors: tuple[Mirror, ...]) -> None:
    """Draw which mirrors get a copy; they start when the request itself has been sent on its way."""
    worker = exchange.worker
    copies = tuple(
        Copy(exchange, cluster, mirror)
        for mirror in mirrors
        if worker.rng.random() * 100 < mirror.percentage
        and (cluster := worker.clusters.get(mirror.cluster)) is not None
    )
    if exchange.body is not None:
        exchange.body.copies = copies
    for copy in copies:
        worker.loop.call_soon(copy.start)


def shadow_host(authority: bytes) -> bytes:
    """``reviews:9080`` -> ``reviews-shadow:9080``."""
    host, colon, port = authority.rpartition(b":")
    if colon and port.isdigit():
        return host + b"-shadow:" + port
    return authority + b"-shadow"


class Copy:
    """Towards its connection it stands where an exchange would, and ``downstream`` where a client would."""

    __slots__ = (
        "_cluster", "_deadline", "_exchange", "_host", "_is_full", "_owes", "_upstream", "_waits", "body",
        "is_over", "request",
    )  # fmt: skip
    names_protocol = False  # as of Envoy's shadows

    def __init__(self, exchange: Exchange, cluster: RuntimeCluster, mirror: Mirror) -> None:
        self._exchange: Exchange | None = exchange
        self._cluster = cluster
        self.request = _request(exchange, cluster, mirror)
        self.body = RequestBody(self.request, keep=False) if exchange.body is not None else None
        self._host: Host | None = None
        self._upstream: Upstream | None = None
        self._waits = self._is_full = self._owes = self.is_over = False
        self._deadline: Timer | None = None

    @property
    def downstream(self) -> Copy:
        return self

    def pause_reading(self) -> None:
        """Its upstream is full. The client is not slowed down for a copy; ``write`` sees to the bound."""
        self._is_full = True

    def resume_reading(self) -> None:
        self._is_full = False
        if self._owes:
            self._send()

    def start(self) -> None:
        """Choose an endpoint, as ``Exchange.attempt`` does; there is only the one attempt."""
        exchange, cluster = self._exchange, self._cluster
        if self.is_over or exchange is None or exchange.is_finished:
            self.is_over = True
            return
        host = cluster.pick(exchange.downstream.info.original_dst)
        breaker, stats = cluster.breaker, cluster.stats
        if host is None:
            stats.no_healthy.value += 1
            self.is_over = True
            return
        connection = host.pool.take(self) if breaker.can_request() else None
        if not breaker.can_request() or (connection is None and not breaker.can_wait()):
            stats.pending_overflow.value += 1
            self.is_over = True
            return
        self._host = host
        stats.rq_total.value += 1
        stats.rq_active.value += 1
        host.active += 1
        limit_s = exchange.route.forward.timeout_s if exchange.route and exchange.route.forward else None
        self._deadline = exchange.worker.timers.after(limit_s or GIVE_UP_S, self._too_late)
        if connection is not None:
            self.connected(connection)
        else:
            self._waits = True
            host.pool.wait(self)

    def connected(self, connection: Upstream) -> None:
        self._waits = False
        self._upstream = connection
        connection.send_request(self)

    def write(self, data: bytes) -> None:
        """More of the body, or with nothing its end."""
        exchange, request = self._exchange, self.request
        if self.is_over or exchange is None or request.complete:
            return
        if data:
            request.chunks.append(data)
        request.complete = exchange.request.complete
        self._send()
        if sum(map(len, request.chunks)) > MAX_LAG_BYTES:
            self._cluster.stats.pending_overflow.value += 1
            self._end(ok=False)

    def _send(self) -> None:
        self._owes = self._is_full
        if self._upstream is not None and self.body is not None and not self._owes:
            self._upstream.send_body(self, self.body)

    def request_over(self) -> None:
        """The exchange has ended: without the rest of its body the copy would never be complete."""
        self._exchange = None
        if not self.request.complete:
            self._end(ok=False)

    def response_arrived(self, response: Response) -> None:
        """Nobody reads it; its end frees the connection."""
        response.take_body()
        connection = self._upstream
        if not response.complete or connection is None or self.is_over:
            return
        self._cluster.stats.rq_classes[response.status // 100].value += 1
        self._upstream = None
        connection.release(time.monotonic(), response.keep_alive and self.request.complete)
        self._end(ok=response.status < 500)

    def upstream_failed(self, failure: Failure) -> None:
        self._upstream = None
        self._waits = False
        self._end(ok=False)

    def _too_late(self) -> None:
        self._cluster.stats.rq_timeout.value += 1
        self._end(ok=False)

    def _end(self, ok: bool) -> None:
        """Give back all that was taken."""
        if self.is_over:
            return
        self.is_over = True
        self._exchange = None
        if self._deadline is not None:
            self._deadline.callback = None
        connection, self._upstream = self._upstream, None
        if connection is not None:
            connection.close()
        host, cluster = self._host, self._cluster
        if host is None:
            return
        if self._waits:
            host.pool.forget(self)
        host.active -= 1
        if ok:
            host.successes += 1
        else:
            host.errors += 1
        cluster.stats.rq_active.value -= 1


def _request(exchange: Exchange, cluster: RuntimeCluster, mirror: Mirror) -> Request:
    """The request as it goes to the mirror; its body comes bit by bit."""
    request = exchange.request
    fields = dict(request.fields)
    authority = shadow_host(request.authority) if mirror.shadow_suffix else request.authority
    fields[b"host"] = authority
    fields[b"x-envoy-internal"] = b"true"  # as Envoy's asynchronous client says of itself
    if exchange.route is not None and exchange.route.counts_attempts:
        fields[b"x-envoy-attempt-count"] = b"1"
    if not cluster.model.host:
        fields.pop(b"x-envoy-peer-metadata", None)  # as filters/peer_metadata: never to strangers
        fields.pop(b"x-envoy-peer-metadata-id", None)
    copy = Request(
        request.method, request.path, authority, fields, request.repeats, request.framing, keep_alive=True
    )
    copy.scheme = request.scheme
    copy.complete = exchange.body is None
    return copy
