"""The attempts of an exchange after its first one failed: made only then, so good requests do not pay for it.

``should_retry`` decides; this remembers what was tried, waits out the back-off and keeps the breaker's count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.http.message import Response
from mesh.model.route import RetryPolicy
from mesh.proxy.failure import Failure
from mesh.proxy.retry import backoff_s, should_retry, should_retry_response
from mesh.proxy.tried import Tried

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange
    from mesh.proxy.timers import Timer


# For routes without a policy: only what RFC 9112 section 9.3.1 lets every client do (see retry.py).
KEEP_ALIVE_RACE = RetryPolicy(1, ())


class Attempts:
    """``retries`` counts those made; ``tried`` says what to avoid; ``exhausted``: the limit was it."""

    __slots__ = ("_exchange", "_holds", "_policy", "_timer", "exhausted", "needs_fresh", "retries", "tried")

    def __init__(self, exchange: Exchange, policy: RetryPolicy | None) -> None:
        self._exchange = exchange
        self._policy = policy or KEEP_ALIVE_RACE
        self._timer: Timer | None = None
        self._holds = False  # one of the breaker's retries, until this retry has an outcome
        self.retries = 0
        self.tried = Tried(self._policy)
        self.exhausted = False
        self.needs_fresh = False  # an idle connection was dead: the others may be, too

    def after_failure(self, failure: Failure) -> bool:
        """Begin another attempt if the policy has one for this failure; False: this was the last."""
        self.needs_fresh = failure.reused
        method = self._exchange.request.method
        if not should_retry(self._policy, failure, method) or not self._may_begin():
            return False
        self.begin()
        return True

    def after_response(self, response: Response) -> bool:
        """Whether this response is to be dropped for another attempt; then ``begin`` it."""
        method = self._exchange.request.method
        return should_retry_response(self._policy, response, method) and self._may_begin()

    def _may_begin(self) -> bool:
        """Whether there is one more: by the body, by the policy's number, by the breaker."""
        exchange = self._exchange
        cluster = exchange.cluster
        assert cluster is not None
        self._release()
        if exchange.body is not None and not exchange.body.can_repeat:
            return False
        if self.retries >= self._policy.attempts:
            self.exhausted = self._policy is not KEEP_ALIVE_RACE
            cluster.stats.retry_limit_exceeded.value += self.exhausted
            return False
        if not cluster.breaker.can_retry():
            cluster.stats.retry_overflow.value += 1
            exchange.add_flag("UO")
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
        self._holds = True
        if host is not None:
            self.tried.add(host)
        delay_s = backoff_s(self._policy, self.retries, exchange.worker.rng)
        self._timer = exchange.worker.timers.after(delay_s, self._go)

    def _go(self) -> None:
        self._timer = None
        self._exchange.attempt()

    def stop(self) -> None:
        """No longer wait: the exchange is over, or the attempt that is to come is not wanted."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.callback = None

    def over(self) -> None:
        """The exchange is finished. A response after a retry counts as the retry's success, as in Envoy."""
        self.stop()
        exchange = self._exchange
        if self._holds and exchange.response is not None and exchange.cluster is not None:
            exchange.cluster.stats.retry_success.value += 1
        self._release()

    def _release(self) -> None:
        cluster = self._exchange.cluster
        if self._holds and cluster is not None:
            self._holds = False
            cluster.breaker.retries -= 1


def further_attempts(exchange: Exchange) -> Attempts:
    """The exchange's, made when they are first needed."""
    if exchange._attempts is None:
        route = exchange.route
        forward = route.forward if route is not None else None
        exchange._attempts = Attempts(exchange, forward.retry if forward is not None else None)
    return exchange._attempts
