"""Envoy's circuit breaker: limits on what a cluster has in hand at one time. Counting only, no I/O.

Requests in hand are the cluster's gauge ``upstream_rq_active``, counted once for both. The gauges
``circuit_breakers.default.*_open`` are worked out when somebody looks at them, so that requests do not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mesh.model.cluster import CircuitBreaker
from mesh.proxy.stats import Gauge, Stats


class Breaker:
    """The counts of one cluster; whoever takes gives back."""

    __slots__ = ("connections", "limits", "pending", "requests", "retries")

    def __init__(self, limits: CircuitBreaker, requests: Gauge) -> None:
        self.limits = limits
        self.connections = 0
        self.pending = 0
        self.requests = requests
        self.retries = 0

    def can_connect(self) -> bool:
        return self.connections < self.limits.max_connections

    def can_wait(self) -> bool:
        return self.pending < self.limits.max_pending_requests

    def can_request(self) -> bool:
        return self.requests.value < self.limits.max_requests

    def can_retry(self) -> bool:
        budget = self.limits.retry_budget
        if budget is None:
            return self.retries < self.limits.max_retries
        share = int(budget.percent / 100 * self.requests.value)
        return self.retries < max(share, budget.min_concurrency)

    def show_in(self, stats: Stats, cluster: str) -> None:
        """Put the gauges of this breaker in the place of those of the one before it."""
        prefix = f"cluster.{cluster}.circuit_breakers.default."
        stats.gauges[prefix + "cx_open"] = _OpenGauge(self.can_connect)
        stats.gauges[prefix + "rq_pending_open"] = _OpenGauge(self.can_wait)
        stats.gauges[prefix + "rq_open"] = _OpenGauge(self.can_request)
        stats.gauges[prefix + "rq_retry_open"] = _OpenGauge(self.can_retry)
        stats.gauges[f"cluster.{cluster}.upstream_rq_pending_active"] = _PendingGauge(self)


def divided(limits: CircuitBreaker, share: Callable[[int], int]) -> CircuitBreaker:
    """A worker's part of a cluster's limits: ``share`` says it of each number."""
    budget = limits.retry_budget
    return CircuitBreaker(
        max_connections=share(limits.max_connections),
        max_pending_requests=share(limits.max_pending_requests),
        max_requests=share(limits.max_requests),
        max_retries=share(limits.max_retries),
        retry_budget=budget and replace(budget, min_concurrency=share(budget.min_concurrency)),
    )


class _OpenGauge(Gauge):
    """1 while nothing more is admitted, else 0."""

    __slots__ = ("_can",)

    def __init__(self, can: Callable[[], bool]) -> None:
        self._can = can

    @property
    def value(self) -> int:  # type: ignore[override]
        return 0 if self._can() else 1


class _PendingGauge(Gauge):
    __slots__ = ("_breaker",)

    def __init__(self, breaker: Breaker) -> None:
        self._breaker = breaker

    @property
    def value(self) -> int:  # type: ignore[override]
        return self._breaker.pending
