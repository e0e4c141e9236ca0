"""Faults on purpose: Envoy's fault filter. It stands before the router, so its aborts are never retried.

A delay first, then perhaps an abort; each has its own draw. Percentages are 0..100.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.http.message import Request
from mesh.model.route import Fault, FaultAbort
from mesh.proxy.reply import Reply

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange

_MESSAGE = b"fault filter abort"
_DETAILS = "fault_filter_abort"


def inject(exchange: Exchange) -> bool:
    route = exchange.route
    if route is None or route.fault is None:
        return False
    fault = route.fault
    rng = exchange.worker.rng
    if fault.delay is not None and rng.random() * 100 < fault.delay.percentage:
        exchange.add_flag("DI")
        _delay(exchange, fault, fault.delay.fixed_delay_s)
        return True
    return _abort(exchange, fault)


def _delay(exchange: Exchange, fault: Fault, delay_s: float) -> None:
    steps = exchange.manager.request_steps
    rest = steps[steps.index(inject) + 1 :]

    def go_on() -> None:
        if not _abort(exchange, fault):
            exchange.filter_request(rest)

    exchange.hold(delay_s, go_on)


def _abort(exchange: Exchange, fault: Fault) -> bool:
    abort = fault.abort
    if abort is None or exchange.worker.rng.random() * 100 >= abort.percentage:
        return False
    exchange.reply(_reply(abort, exchange.request))
    return True


def _reply(abort: FaultAbort, request: Request) -> Reply:
    """A gRPC status is told to gRPC clients as their protocol has it, to others as 200, as Envoy does."""
    if abort.grpc_status is None:
        return Reply(abort.http_status or 503, _MESSAGE, "FI", _DETAILS)
    if not _is_grpc(request.get(b"content-type") or b""):
        return Reply(200, _MESSAGE, "FI", _DETAILS)
    fields = (
        (b"content-type", b"application/grpc"),
        (b"grpc-status", b"%d" % abort.grpc_status),
        (b"grpc-message", _MESSAGE),
    )
    return Reply(200, b"", "FI", _DETAILS, fields)


def _is_grpc(content_type: bytes) -> bool:
    return content_type == b"application/grpc" or content_type.startswith(b"application/grpc+")
