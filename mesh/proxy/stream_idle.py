"""The limit on a request and its response lying still: Envoy's stream idle timeout, where there is one.

Nothing is noted as bytes go by. Now and then it is looked whether anything has moved since the last look, so
a request that lies still is ended between one and 1 + 1/LOOKS times the limit after its last byte.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mesh.http.h2.errors import Code
from mesh.proxy.reply import Reply
from mesh.proxy.timers import Timers

if TYPE_CHECKING:
    from mesh.proxy.downstream_stream import DownstreamStream
    from mesh.proxy.exchange import Exchange

LOOKS = 8  # in the time of one limit


def watch_idle(exchange: Exchange, limit_s: float) -> None:
    """End the exchange when it lies still for that long. It need not be told when the exchange is over."""
    _watch(
        exchange.worker.timers,
        limit_s,
        lambda: None if exchange.is_finished else _progress(exchange),
        lambda: _time_out(exchange),
    )


def watch_flush(stream: DownstreamStream, limit_s: float) -> None:
    """Reset a stream of HTTP/2 whose exchange is over when its client takes nothing of the rest for that long
    (Envoy's stream flush timeout)."""
    _watch(
        stream.worker.timers,
        limit_s,
        lambda: sum(map(len, stream.queue)) or None,
        lambda: stream.connection.reset(stream, Code.INTERNAL_ERROR),
    )


def _watch(timers: Timers, limit_s: float, progress: Callable[[], object], end: Callable[[], None]) -> None:
    """``progress`` is None when there is nothing to be watched any more."""
    still = 0
    seen = progress()

    def look() -> None:
        nonlocal seen, still
        now = progress()
        if now is None:
            return
        still = still + 1 if now == seen else 0
        seen = now
        if still >= LOOKS:
            end()
        else:
            timers.after(limit_s / LOOKS, look)

    timers.after(limit_s / LOOKS, look)


def _progress(exchange: Exchange) -> tuple[object, ...]:
    """What changes with every byte that goes either way, and with every attempt."""
    body = exchange.body
    received = body.received if body is not None else 0
    return received, exchange.request.complete, exchange.bytes_sent, exchange.status, exchange.sent_at


def _time_out(exchange: Exchange) -> None:
    """408 when it is the client that we wait for, 504 when it is the upstream; a begun response breaks."""
    exchange.manager.stats.rq_idle_timeout.value += 1
    status = 504 if exchange.request.complete else 408
    exchange.break_off(Reply(status, b"stream timeout", "SI", "stream_idle_timeout"))
