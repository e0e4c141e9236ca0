"""A client's HTTP/2 connection: each of its streams is an ``Exchange``, all at once.

bytes -> Server (sans-IO) -> DownstreamStream.head_received
                                             .data_received
                                             .arrived       -> Exchange.begin, Exchange.request_arrived
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

from mesh.http.errors import RequestError
from mesh.http.h2.connection import Connection
from mesh.http.h2.server import Server
from mesh.http.h2.settings import Limits
from mesh.proxy.connection_info import ConnectionInfo
from mesh.proxy.downstream_stream import DownstreamStream
from mesh.proxy.http2 import Http2Protocol

if TYPE_CHECKING:
    from mesh.proxy.chain import RuntimeChain
    from mesh.proxy.http_manager import HttpManager

# How long a client that was asked to leave may still open streams without having seen it.
DRAIN_NOTICE_S = 1.0


class Http2Connection(Http2Protocol):
    """Its listener finds it in the chain's ``live``. ``draining``: the client was told to leave."""

    __slots__ = ("chain", "draining", "info", "last_active", "manager", "worker")

    codec: Server

    def __init__(self, manager: HttpManager, info: ConnectionInfo, chain: RuntimeChain) -> None:
        super().__init__(manager.worker.loop)
        self.manager = manager
        self.worker = manager.worker
        self.info = info
        self.chain = chain
        self.draining = False
        self.last_active = time.monotonic()
        limits = Limits(max_header_bytes=manager.max_header_bytes, protocols=manager.protocols)
        self.codec = Server(self._make_stream, limits, self.wake, time.monotonic)

    def _make_stream(self, codec: Connection, stream_id: int) -> DownstreamStream:
        return DownstreamStream(self, codec, stream_id)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.chain.enter(self)
        stats = self.manager.stats
        stats.cx_total.value += 1
        stats.cx_active.value += 1
        super().connection_made(transport)
        if self.worker.draining:
            self.drain()

    def refuse(self, error: RequestError | None = None) -> None:
        self.manager.stats.protocol_error.value += 1

    def stream_done(self, now: float) -> None:
        self.last_active = now

    def after_flush(self) -> None:
        codec = self.codec
        if codec.last_taken is not None and not codec.streams:
            self.close()

    # leaving

    def drain(self) -> None:
        """Finish what is in hand and what is on its way, then close."""
        if not self.draining:
            self.draining = True
            self.codec.begin_drain()
            self.worker.timers.after(DRAIN_NOTICE_S, self._end_drain)

    def _end_drain(self) -> None:
        if not self.closing:
            self.codec.end_drain()

    def ask_to_leave(self) -> None:
        self.drain()

    def adopt(self, chain: RuntimeChain, manager: HttpManager) -> None:
        """Go on under a new configuration: the next request is the first to know it."""
        self.chain, self.manager = chain, manager

    def close_idle(self, now: float) -> None:
        if not self.codec.streams and now - self.last_active > self.manager.idle_timeout_s:
            self.codec.end_drain()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        self.chain.leave(self)
        self.manager.stats.cx_active.value -= 1
        if self.codec.fault is not None:
            self.manager.stats.protocol_error.value += 1
        for stream in self._streams():
            self.codec.forget(stream)
            stream.connection_lost(self.codec.fault)

    def _streams(self) -> list[DownstreamStream]:
        return cast("list[DownstreamStream]", list(self.codec.streams.values()))
