"""A route's time limits: for the whole exchange, and for each attempt. Made only for routes that have one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.http.message import Framing
from mesh.model.route import Forward
from mesh.proxy.failure import MAX_DURATION, PER_TRY_TIMEOUT, TIMEOUT
from mesh.proxy.grpc import grpc_timeout, grpc_timeout_s

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange
    from mesh.proxy.timers import Timer


class Timeouts:
    """The whole's counts from the request's last byte, as Envoy's does; an attempt's from its sending."""

    __slots__ = ("_deadline_timer", "_exchange", "_total_s", "_total_timer", "_try_s", "_try_timer")

    def __init__(self, exchange: Exchange, total_s: float | None, try_s: float | None) -> None:
        self._exchange = exchange
        self._total_s = total_s
        self._try_s = try_s
        self._total_timer: Timer | None = None
        self._deadline_timer: Timer | None = None
        self._try_timer: Timer | None = None

    def set_deadline(self, deadline_s: float) -> None:
        """The client's own (gRPC's): it counts from now."""
        self._deadline_timer = self._exchange.worker.timers.after(deadline_s, self._deadline_over)

    def request_complete(self) -> None:
        if self._total_s and self._total_timer is None:
            self._total_timer = self._exchange.worker.timers.after(self._total_s, self._total_over)

    def attempt_begins(self) -> None:
        self.attempt_ends()
        if self._try_s:
            self._try_timer = self._exchange.worker.timers.after(self._try_s, self._try_over)

    def attempt_ends(self) -> None:
        """It failed, or its response has begun."""
        if self._try_timer is not None:
            self._try_timer.callback = None
            self._try_timer = None

    def stop(self) -> None:
        self.attempt_ends()
        if self._total_timer is not None:
            self._total_timer.callback = None
        if self._deadline_timer is not None:
            self._deadline_timer.callback = None

    def _deadline_over(self) -> None:
        self._exchange.abandon(MAX_DURATION)

    def _total_over(self) -> None:
        if self._exchange.cluster is not None:
            self._exchange.cluster.stats.rq_timeout.value += 1
        self._exchange.abandon(TIMEOUT)

    def _try_over(self) -> None:
        if self._exchange.cluster is not None:
            self._exchange.cluster.stats.rq_per_try_timeout.value += 1
        self._exchange.abandon(PER_TRY_TIMEOUT)


def begin_timeouts(exchange: Exchange, forward: Forward) -> Timeouts | None:
    """None: there is no limit. The upstream is told for how long it need work on it.

    An attempt's limit that is no less than the whole's is none, as in Envoy.
    """
    request = exchange.request
    total_s = forward.timeout_s
    try_s = forward.retry.per_try_timeout_s if forward.retry is not None else None
    if try_s and total_s and try_s >= total_s:
        try_s = None
    deadline = request.fields.get(b"grpc-timeout")
    deadline_s = grpc_timeout_s(deadline) if deadline is not None else None
    if not (total_s or try_s or deadline_s is not None):
        return None
    timeouts = Timeouts(exchange, total_s, try_s)
    if deadline_s is not None:
        timeouts.set_deadline(deadline_s)
        request.fields[b"grpc-timeout"] = grpc_timeout(deadline_s)
    if try_s or total_s:
        request.fields[b"x-envoy-expected-rq-timeout-ms"] = b"%d" % ((try_s or total_s or 0) * 1000)
    if request.complete or request.framing is Framing.TUNNEL:
        timeouts.request_complete()
    return timeouts
