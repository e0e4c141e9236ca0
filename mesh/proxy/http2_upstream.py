"""One HTTP/2 connection to an endpoint, shared by many exchanges: each has a stream of it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

from mesh.http.h2.client import Client
from mesh.http.h2.settings import Limits
from mesh.proxy.failure import Kind
from mesh.proxy.http2 import Http2Protocol
from mesh.proxy.upstream_stream import UpstreamStream

if TYPE_CHECKING:
    from mesh.proxy.http2_pool import Http2Pool


class Http2Upstream(Http2Protocol):
    """``draining``: no new streams. ``idle_since`` is when the last stream ended."""

    __slots__ = (
        "_lost",
        "_upgrades",
        "draining",
        "expires_at",
        "idle_since",
        "local_address",
        "pool",
        "principal",
        "requests",
    )

    codec: Client

    def __init__(self, pool: Http2Pool, principal: str) -> None:
        super().__init__(pool.cluster.worker.loop)
        self.pool = pool
        self.principal = principal
        self.local_address = ""
        self.requests = 0
        self.idle_since = 0.0
        self.expires_at = float("inf")
        self.draining = False
        self._lost = False
        self._upgrades: list[UpstreamStream] = []
        self.codec = Client(self._changed, Limits(), self.wake, time.monotonic)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        name = transport.get_extra_info("sockname")
        self.local_address = f"{name[0]}:{name[1]}" if name else ""
        super().connection_made(transport)

    def can_open(self) -> bool:
        if self.draining or self.closing or not self.codec.can_open():
            return False
        limit = self.pool.max_streams
        return not limit or len(self.codec.streams) < limit

    def open(self, stream: UpstreamStream) -> None:
        self.codec.open(stream)
        self.requests += 1
        limit = self.pool.cluster.model.max_requests_per_connection
        if limit and self.requests >= limit:
            self.pool.cluster.stats.cx_max_requests.value += 1
            self.draining = True

    def wait_to_upgrade(self, stream: UpstreamStream) -> None:
        """RFC 8441 section 3: only the server's settings tell whether it takes an Upgrade."""
        self._upgrades.append(stream)

    def stream_done(self, now: float) -> None:
        """There may be room for another."""
        self.idle_since = now
        self.pool.serve_waiting()
        self._close_if_done()

    def _changed(self) -> None:
        """The server's limits changed, or it is leaving."""
        if self.codec.goaway is not None:
            self.draining = True
        waiting, self._upgrades = self._upgrades, []
        for stream in waiting:
            stream.settings_known()
        self.pool.serve_waiting()
        self._close_if_done()

    def drain(self) -> None:
        self.draining = True
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self.draining and not self.codec.streams:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lost:
            return
        self._lost = self.closing = True
        fault = self.codec.fault
        kind = Kind.CONNECTION_TERMINATION if fault is None else Kind.PROTOCOL_ERROR
        streams = self._streams()
        if streams:
            self.pool.cluster.stats.cx_destroy_with_active_rq.value += 1
        for stream in (*streams, *self._upgrades):
            self.codec.forget(stream)
            stream.fail(kind, fault.detail if fault is not None else "")
        self.pool.lost(self)

    def _streams(self) -> list[UpstreamStream]:
        return cast("list[UpstreamStream]", list(self.codec.streams.values()))
