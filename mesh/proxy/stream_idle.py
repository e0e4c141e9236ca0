"""The limit on a request and its response lying still: Envoy's stream idle timeout, where there is one.

Nothing is noted as bytes go by. Now and then it is looked whether anything has moved since the last look, so
a request that lies still is ended between one and 1 + 1/LOOKS times the limit after its last byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.proxy.reply import Reply

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange

LOOKS = 8  # in the time of one limit


def watch_idle(exchange: Exchange, limit_s: float) -> None:
    """End the exchange when it lies still for that long. It need not be told when the exchange is over."""
    still = 0
    seen = _progress(exchange)

    def look() -> None:
        nonlocal seen, still
        if exchange.is_finished:
            return
        now = _progress(exchange)
        still = still + 1 if now == seen else 0
        seen = now
        if still >= LOOKS:
            _time_out(exchange)
        else:
            exchange.worker.timers.after(limit_s / LOOKS, look)

    exchange.worker.timers.after(limit_s / LOOKS, look)


def _progress(exchange: Exchange) -> tuple[object, ...]:
    """What changes with every byte that goes either way, and with every attempt."""
    body = exchange.body
    received = body.received if body is not None else 0
    return received, exchange.request.complete, exchange.bytes_sent, exchange.status, exchange.sent_at


def _time_out(exchange: Exchange) -> None:
    """408 when it is the client that we wait for, 504 when it is the upstream; a begun response breaks."""
    exchange.manager.stats.rq_idle_timeout.value += 1
    status = 504 if exchange.request.complete else 408
    exchange.refuse_body(Reply(status, b"stream timeout", "SI", "stream_idle_timeout"))
