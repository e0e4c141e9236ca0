"""The attempts of an exchange after its first one failed: made only then, so good requests do not pay for it.

``should_retry`` decides; this remembers what was tried, waits out the back-off and keeps the breaker's count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.http.message import Response
from mesh.model.route import RetryPolicy
from mesh.proxy.failure import Failure, Stage
from mesh.proxy.retry import backoff_s, should_retry, should_retry_status

if TYPE_CHECKING:
    from mesh.proxy.cluster import Host
    from mesh.proxy.exchange import Exchange
    from mesh.proxy.timers import Timer


# For routes without a policy: only what RFC 9112 section 9.3.1 lets every client do (see retry.py).
KEEP_ALIVE_RACE = RetryPolicy(1, ())


class Attempts:
    """``retries`` counts those made; ``tried`` are endpoints to avoid; ``exhausted``: the limit was it."""

    __slots__ = ("_counted", "_exchange", "_policy", "_timer", "exhausted", "needs_fresh", "retries", "tried")

    def __init__(self, exchange: Exchange, policy: RetryPolicy) -> None:
        self._exchange = exchange
        self._policy = policy
        self._timer: Timer | None = None
        self._counted = False
        self.retries = 0
        self.tried: list[Host] = []
        self.exhausted = False
        self.needs_fresh = False  # an idle connection was dead: the others may be, too

    def after_failure(self, failure: Failure) -> bool:
        """Begin another attempt if the policy has one for this failure; False: this was the last."""
        exchange = self._exchange
        method = exchange.request.method
        if failure.stage is not Stage.ROUTE and not _can_repeat(exchange):
            return False
        wanted = should_retry(self._policy, failure, method, self.retries)
        self.needs_fresh = failure.reused
        self.exhausted = not wanted and self.retries > 0 and should_retry(self._policy, failure, method, 0)
        return wanted and self._begin()

    def after_response(self, response: Response) -> bool:
        """The same for a response that may be worth another attempt."""
        exchange = self._exchange
        method, status = exchange.request.method, response.status
        if not _can_repeat(exchange):
            return False
        wanted = should_retry_status(self._policy, status, method, self.retries)
        self.exhausted = (
            not wanted and self.retries > 0 and should_retry_status(self._policy, status, method, 0)
        )
        return wanted and self._can_begin()

    def _begin(self) -> bool:
        if not self._can_begin():
            return False
        self.begin()
        return True

    def _can_begin(self) -> bool:
        cluster = self._exchange.cluster
        assert cluster is not None
        self.release()
        if not cluster.breaker.can_retry():
            cluster.stats.retry_overflow.value += 1
            self._exchange.add_flag("UO")
            return False
        return True

    def begin(self) -> None:
        """Wait for the policy's back-off, then let the exchange try again."""
        exchange = self._exchange
        cluster, host = exchange.cluster, exchange.host
        assert cluster is not None
        self.retries += 1
        cluster.stats.retry.value += 1
        cluster.breaker.retries += 1
        self._counted = True
        if self._policy.avoid_previous_hosts and host is not None:
            self.tried.append(host)
        delay_s = backoff_s(self._policy, self.retries, exchange.worker.rng)
        self._timer = exchange.worker.timers.after(delay_s, self._go)

    def _go(self) -> None:
        self.stop()
        self._exchange.attempt()

    def stop(self) -> None:
        """No longer wait."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.callback = None

    def release(self) -> None:
        """A retry counts at the breaker until the next one, or until the exchange is over (Envoy)."""
        cluster = self._exchange.cluster
        if self._counted and cluster is not None:
            self._counted = False
            cluster.breaker.retries -= 1


def _can_repeat(exchange: Exchange) -> bool:
    return exchange.body is None or exchange.body.can_repeat
