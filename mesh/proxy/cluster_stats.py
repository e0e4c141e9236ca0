"""Envoy's counters of a cluster, looked up once and kept as attributes."""

from __future__ import annotations

from mesh.proxy.stats import Counter, Stats
from mesh.proxy.tls_stats import TlsStats


class ClusterStats:
    """``rq_classes[status // 100]`` counts responses by class."""

    __slots__ = (
        "cx_active",
        "cx_connect_fail",
        "cx_connect_timeout",
        "cx_destroy_with_active_rq",
        "cx_idle_timeout",
        "cx_max_duration_reached",
        "cx_max_requests",
        "cx_overflow",
        "cx_total",
        "healthy_panic",
        "membership",
        "membership_excluded",
        "membership_healthy",
        "no_healthy",
        "pending_overflow",
        "pending_total",
        "retry",
        "retry_limit_exceeded",
        "retry_overflow",
        "retry_success",
        "rq_active",
        "rq_classes",
        "rq_per_try_timeout",
        "rq_timeout",
        "rq_total",
        "tls",
    )

    def __init__(self, stats: Stats, name: str) -> None:
        def counter(suffix: str) -> Counter:
            return stats.counter(f"cluster.{name}.{suffix}")

        self.cx_total = counter("upstream_cx_total")
        self.cx_active = stats.gauge(f"cluster.{name}.upstream_cx_active")
        self.cx_connect_fail = counter("upstream_cx_connect_fail")
        self.cx_connect_timeout = counter("upstream_cx_connect_timeout")
        self.cx_overflow = counter("upstream_cx_overflow")
        self.cx_destroy_with_active_rq = counter("upstream_cx_destroy_with_active_rq")
        self.cx_idle_timeout = counter("upstream_cx_idle_timeout")
        self.cx_max_duration_reached = counter("upstream_cx_max_duration_reached")
        self.cx_max_requests = counter("upstream_cx_max_requests")
        self.rq_total = counter("upstream_rq_total")
        self.rq_active = stats.gauge(f"cluster.{name}.upstream_rq_active")
        self.rq_classes = [counter(f"upstream_rq_{hundreds}xx") for hundreds in range(10)]
        self.rq_timeout = counter("upstream_rq_timeout")
        self.rq_per_try_timeout = counter("upstream_rq_per_try_timeout")
        self.pending_total = counter("upstream_rq_pending_total")
        self.pending_overflow = counter("upstream_rq_pending_overflow")
        self.retry = counter("upstream_rq_retry")
        self.retry_limit_exceeded = counter("upstream_rq_retry_limit_exceeded")
        self.retry_overflow = counter("upstream_rq_retry_overflow")
        self.retry_success = counter("upstream_rq_retry_success")
        self.no_healthy = counter("upstream_cx_none_healthy")
        self.tls = TlsStats(stats, f"cluster.{name}.")
        self.membership = stats.gauge(f"cluster.{name}.membership_total")
        self.membership_excluded = stats.gauge(f"cluster.{name}.membership_excluded")
        self.membership_healthy = stats.gauge(f"cluster.{name}.membership_healthy")
        self.healthy_panic = counter("lb_healthy_panic")
