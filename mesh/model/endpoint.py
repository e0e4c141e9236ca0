"""Endpoints: where a cluster's requests may go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Health = Literal["HEALTHY", "UNHEALTHY", "DRAINING"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``workload`` is Istio's text form of the workload (see Peer); ``mtls`` says its sidecar takes mTLS."""

    address: str
    port: int
    mtls: bool = False  # Istio's endpoint label security.istio.io/tlsMode=istio
    workload: str = ""
    weight: int = 1
    health: Health = "HEALTHY"


@dataclass(frozen=True, slots=True)
class Locality:
    region: str = ""
    zone: str = ""
    sub_zone: str = ""


@dataclass(frozen=True, slots=True)
class LocalityEndpoints:
    """A locality always carries a weight: gRPC clients ignore those without (see Envoy's LEDS notes)."""

    endpoints: tuple[Endpoint, ...]
    locality: Locality = Locality()
    weight: int = 1
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ClusterLoadAssignment:
    cluster_name: str
    localities: tuple[LocalityEndpoints, ...] = ()
