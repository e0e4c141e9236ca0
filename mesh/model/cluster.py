"""Clusters: a named set of endpoints with one way to reach and to share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mesh.model.endpoint import ClusterLoadAssignment
from mesh.model.health_check import HealthCheck
from mesh.model.outlier import OutlierDetection
from mesh.model.tls import UpstreamTls

Discovery = Literal["EDS", "STATIC", "STRICT_DNS", "LOGICAL_DNS", "ORIGINAL_DST"]
LbPolicy = Literal["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "RING_HASH", "MAGLEV", "CLUSTER_PROVIDED"]

# Istio's defaults: every limit so high that only a DestinationRule makes one bite.
UNLIMITED = 4294967295


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """Retries at one time as a share of the requests in hand, but always some; replaces ``max_retries``."""

    percent: float = 20.0  # 0..100
    min_concurrency: int = 3


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """Envoy's thresholds of the default priority: counts of things at one time."""

    max_connections: int = UNLIMITED
    max_pending_requests: int = UNLIMITED
    max_requests: int = UNLIMITED
    max_retries: int = UNLIMITED
    retry_budget: RetryBudget | None = None


@dataclass(frozen=True, slots=True)
class SlowStart:
    """A new endpoint's weight grows for ``window_s`` from ``minimum_percent`` of it: in proportion to time
    with ``aggression`` 1, sooner with more."""

    window_s: float
    minimum_percent: float = 10.0
    aggression: float = 1.0


@dataclass(frozen=True, slots=True)
class TcpKeepalive:
    """Probes of a silent connection; None leaves a value to the operating system. Whole seconds."""

    probes: int | None = None
    time_s: int | None = None
    interval_s: int | None = None


@dataclass(frozen=True, slots=True)
class Cluster:
    """``tls_by_endpoint`` True is Istio's auto mTLS: TLS only to endpoints that say ``mtls``.

    ``host`` and ``namespace`` are the service behind it, for telemetry (Istio's cluster metadata
    ``istio.services``); ``config`` names the DestinationRule it came from. Below ``panic_threshold`` % of
    healthy endpoints all of them are used, the unhealthy too; 0, Istio's default, is never.
    """

    name: str
    discovery: Discovery
    lb_policy: LbPolicy = "LEAST_REQUEST"
    slow_start: SlowStart | None = None  # of ROUND_ROBIN and LEAST_REQUEST
    hash_table_size: int = 0  # RING_HASH: at least so many places; MAGLEV: a prime; 0 = Envoy's default
    connect_timeout_s: float = 10.0
    tls: UpstreamTls | None = None
    tls_by_endpoint: bool = False
    load_assignment: ClusterLoadAssignment | None = None  # STATIC, STRICT_DNS and LOGICAL_DNS only
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    idle_timeout_s: float = 3600.0
    max_requests_per_connection: int = 0  # 0 = unlimited
    max_connection_duration_s: float = 0.0  # 0 = unlimited
    tcp_keepalive: TcpKeepalive | None = None
    outlier_detection: OutlierDetection | None = None
    health_check: HealthCheck | None = None
    ignore_health_on_host_removal: bool = False  # who is gone from EDS goes, even if its checks pass
    panic_threshold: int = 0
    locality_weighted: bool = False  # localities share by their weights, as far as they are healthy
    http2: bool = False  # its endpoints are spoken to in HTTP/2
    use_client_protocol: bool = False  # ... in what the client speaks: goes before http2
    max_concurrent_streams: int = 0  # of an HTTP/2 connection; 0 = what the server allows
    enable_trailers: bool = False  # HTTP/1.1's: read and written; else dropped
    host: str = ""
    namespace: str = ""
    config: str = ""
