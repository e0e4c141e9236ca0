"""What a DestinationRule's policy makes of a cluster: balancing, connection pool, outlier detection.

What the rule leaves out keeps Envoy's default, except where Istio has one of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mesh.galley.api.traffic_policy import ConnectionPool, ConsistentHash, HttpPool, LoadBalancer, TcpPool
from mesh.galley.api.traffic_policy import OutlierDetection as OutlierPolicy
from mesh.galley.api.traffic_policy import RetryBudget as BudgetPolicy
from mesh.galley.api.traffic_policy import TcpKeepalive as KeepalivePolicy
from mesh.model.cluster import (
    UNLIMITED,
    CircuitBreaker,
    Cluster,
    LbPolicy,
    RetryBudget,
    SlowStart,
    TcpKeepalive,
)
from mesh.model.outlier import OutlierDetection
from mesh.pilot.translate.destination_rule import Policy
from mesh.pilot.translate.locality import setting_of

_LB_POLICIES: dict[str, LbPolicy] = {
    "ROUND_ROBIN": "ROUND_ROBIN",
    "RANDOM": "RANDOM",
    "PASSTHROUGH": "CLUSTER_PROVIDED",
}
_RING_SIZE = 1024  # Istio's default, and Envoy's


def apply_policy(cluster: Cluster, policy: Policy) -> Cluster:
    """The cluster as the policy wants it; its TLS is not decided here."""
    changes = _balancing(policy) | _pool(policy)
    if changes["lb_policy"] != "CLUSTER_PROVIDED":
        changes["locality_weighted"] = setting_of(policy) is not None
    outlier = policy.outlier_detection
    if outlier is not None:
        rules, options = _outlier_detection(outlier), policy.outlier_options
        changes["outlier_detection"] = rules if options is None else options.apply(rules)
        changes["panic_threshold"] = outlier.min_health_percent or 0
    return replace(cluster, **changes)


def _balancing(policy: Policy) -> dict[str, Any]:
    """Istio's default, and what it makes of the old LEAST_CONN, is LEAST_REQUEST."""
    balancer = policy.load_balancer or LoadBalancer()
    if balancer.consistent_hash is not None:
        return _consistent_hash(balancer.consistent_hash)
    simple = balancer.simple
    lb_policy = _LB_POLICIES.get(simple or "", "LEAST_REQUEST")
    if lb_policy == "CLUSTER_PROVIDED":
        return {"lb_policy": lb_policy, "discovery": "ORIGINAL_DST"}
    changes: dict[str, Any] = {"lb_policy": lb_policy}
    if lb_policy in ("ROUND_ROBIN", "LEAST_REQUEST"):
        changes["slow_start"] = _slow_start(balancer)
    return changes


def _slow_start(balancer: LoadBalancer) -> SlowStart | None:
    """``warmupDurationSecs`` is the old way to say ``warmup.duration``."""
    warmup = balancer.warmup
    if warmup is None:
        duration_s = balancer.warmup_duration_secs
        return SlowStart(duration_s) if duration_s is not None else None
    minimum, aggression = warmup.minimum_percent, warmup.aggression
    return SlowStart(
        warmup.duration,
        minimum if minimum is not None else 10.0,
        aggression if aggression is not None else 1.0,
    )


def _consistent_hash(hashing: ConsistentHash) -> dict[str, Any]:
    """A ring, of the size ``ringHash`` or the deprecated ``minimumRingSize`` says; Maglev if asked for."""
    if hashing.maglev is not None:
        return {"lb_policy": "MAGLEV", "hash_table_size": hashing.maglev.table_size}
    ring_size = hashing.ring_hash.minimum_ring_size if hashing.ring_hash is not None else 0
    return {
        "lb_policy": "RING_HASH",
        "hash_table_size": ring_size or hashing.minimum_ring_size or _RING_SIZE,
    }


def _pool(policy: Policy) -> dict[str, Any]:
    pool = policy.connection_pool or ConnectionPool()
    tcp, http = pool.tcp or TcpPool(), pool.http or HttpPool()
    changes: dict[str, Any] = {
        "circuit_breaker": _circuit_breaker(tcp, http, policy.retry_budget),
        "max_requests_per_connection": http.max_requests_per_connection or 0,
        "max_connection_duration_s": tcp.max_connection_duration or 0.0,
    }
    if tcp.connect_timeout:
        changes["connect_timeout_s"] = tcp.connect_timeout
    if tcp.tcp_keepalive is not None:
        changes["tcp_keepalive"] = _keepalive(tcp.tcp_keepalive)
    if http.idle_timeout:
        changes["idle_timeout_s"] = http.idle_timeout
    return changes


def _keepalive(policy: KeepalivePolicy) -> TcpKeepalive:
    """0 probes, or no times, are left to the operating system; parts of a second do not count (Istio)."""
    time, interval = policy.time, policy.interval
    return TcpKeepalive(
        policy.probes or None,
        int(time) if time is not None else None,
        int(interval) if interval is not None else None,
    )


def _circuit_breaker(tcp: TcpPool, http: HttpPool, budget: BudgetPolicy | None) -> CircuitBreaker:
    """0 and nothing are Istio's "no limit"."""
    return CircuitBreaker(
        max_connections=tcp.max_connections or UNLIMITED,
        max_pending_requests=http.http1_max_pending_requests or UNLIMITED,
        max_requests=http.http2_max_requests or UNLIMITED,
        max_retries=http.max_retries or UNLIMITED,
        retry_budget=None if budget is None else _retry_budget(budget),
    )


def _retry_budget(said: BudgetPolicy) -> RetryBudget:
    """What is left out is Istio's default: 20 %, at least 3."""
    default = RetryBudget()
    return RetryBudget(
        default.percent if said.percent is None else said.percent,
        default.min_concurrency if said.min_retry_concurrency is None else said.min_retry_concurrency,
    )


def _outlier_detection(policy: OutlierPolicy) -> OutlierDetection:
    """0 errors switch a detector off; unsaid, only that of 5xx is on (Istio's and Envoy's defaults)."""
    said = {
        "consecutive_5xx": policy.consecutive_5xx_errors,
        "consecutive_gateway_failure": policy.consecutive_gateway_errors,
        "split_local_origin": policy.split_external_local_origin_errors,
        "consecutive_local_origin_failure": policy.consecutive_local_origin_failures or None,
        "interval_s": policy.interval,
        "base_ejection_time_s": policy.base_ejection_time,
        "max_ejection_percent": policy.max_ejection_percent or None,
    }
    return OutlierDetection(**{name: value for name, value in said.items() if value is not None})  # type: ignore[arg-type]
