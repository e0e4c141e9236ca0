"""Envoy's circuit breaker: limits on what a cluster has in hand at one time. Counting only, no I/O.

Requests in hand are the cluster's gauge ``upstream_rq_active``, counted once for both.
"""

from __future__ import annotations

from mesh.model.cluster import CircuitBreaker
from mesh.proxy.stats import Gauge


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
        return self.retries < self.limits.max_retries
