"""Faults on purpose: Envoy's fault filter. It stands before the router, so its aborts are never retried.

A delay first, then perhaps an abort; each has its own draw. Percentages are 0..100. A fault script, ours,
goes before them: its steps fail by count.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mesh.http.message import Request
from mesh.model.route import Fault, FaultAbort, ScriptedFault
from mesh.proxy.fault_script import next_fault
from mesh.proxy.grpc import is_grpc
from mesh.proxy.reply import Reply

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange

_MESSAGE = b"fault filter abort"
_DETAILS = "fault_filter_abort"


def inject(exchange: Exchange) -> bool:
    route = exchange.route
    if route is None or not route.is_faulty:
        return False
    if route.script:
        step = next_fault(route.script, exchange.worker.script_counts, _attempt(exchange.request))
        if step is not None and _play(exchange, step):
            return True
    return route.fault is not None and _by_chance(exchange, route.fault)


def _by_chance(exchange: Exchange, fault: Fault) -> bool:
    rng = exchange.worker.rng
    if fault.delay is not None and rng.random() * 100 < fault.delay.percentage:
        _delay(exchange, fault.delay.fixed_delay_s, lambda: _abort(exchange, fault))
        return True
    return _abort(exchange, fault)


def _play(exchange: Exchange, step: ScriptedFault) -> bool:
    """Do a step; True when the request was stopped."""

    def abort() -> bool:
        if step.abort_status is not None:
            exchange.reply(Reply(step.abort_status, _MESSAGE, "FI", _DETAILS))
            return True
        fault = exchange.route.fault if exchange.route is not None else None
        return fault is not None and _by_chance(exchange, fault)

    if not step.delay_s:
        return abort()
    _delay(exchange, step.delay_s, abort)
    return True


def _attempt(request: Request) -> int:
    """Which attempt the caller's sidecar says this is; the first, when it says nothing."""
    said = request.get(b"x-envoy-attempt-count")
    return int(said) if said is not None and said.isdigit() and len(said) < 10 else 1


def _delay(exchange: Exchange, delay_s: float, then: Callable[[], bool]) -> None:
    """``then`` says whether it has stopped the request; if not, the other steps have their turn."""
    exchange.add_flag("DI")
    steps = exchange.manager.request_steps
    rest = steps[steps.index(inject) + 1 :]

    def go_on() -> None:
        if not then():
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
    if not is_grpc(request.get(b"content-type")):
        return Reply(200, _MESSAGE, "FI", _DETAILS)
    fields = (
        (b"content-type", b"application/grpc"),
        (b"grpc-status", b"%d" % abort.grpc_status),
        (b"grpc-message", _MESSAGE),
    )
    return Reply(200, b"", "FI", _DETAILS, fields)
