"""Clusters: a named set of endpoints with one way to reach and to share them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mesh.model.endpoint import ClusterLoadAssignment
from mesh.model.tls import UpstreamTls

Discovery = Literal["EDS", "STATIC", "STRICT_DNS", "ORIGINAL_DST"]
LbPolicy = Literal["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM", "CLUSTER_PROVIDED"]

# Istio's defaults: every limit so high that only a DestinationRule makes one bite.
UNLIMITED = 4294967295


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """Envoy's thresholds of the default priority: counts of things at one time."""

    max_connections: int = UNLIMITED
    max_pending_requests: int = UNLIMITED
    max_requests: int = UNLIMITED
    max_retries: int = UNLIMITED


@dataclass(frozen=True, slots=True)
class Cluster:
    """``tls_by_endpoint`` True is Istio's auto mTLS: TLS only to endpoints that say ``mtls``.

    ``host`` and ``namespace`` are the service behind it, for telemetry (Istio's cluster metadata
    ``istio.services``); ``config`` names the DestinationRule it came from.
    """

    name: str
    discovery: Discovery
    lb_policy: LbPolicy = "LEAST_REQUEST"
    connect_timeout_s: float = 10.0
    tls: UpstreamTls | None = None
    tls_by_endpoint: bool = False
    load_assignment: ClusterLoadAssignment | None = None  # STATIC and STRICT_DNS only
    circuit_breaker: CircuitBreaker = CircuitBreaker()
    idle_timeout_s: float = 3600.0
    max_requests_per_connection: int = 0  # 0 = unlimited
    host: str = ""
    namespace: str = ""
    config: str = ""
