"""An area's routes and clusters as the resources both proxies get: one listener, one virtual host more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from differ.client import PROBE_FIELD, PROBE_HOST
from differ.origin import BARRIER, HOST
from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.http_filter import (
    FaultFilter,
    GrpcAccessLog,
    HttpFilter,
    LocalRateLimitFilter,
    MetadataTag,
    Router,
)
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.names import CONTROL_PLANE_CLUSTER
from mesh.model.resources import Resources
from mesh.model.route import (
    NO_MUTATION,
    DirectResponse,
    Forward,
    HeaderMutation,
    Route,
    RouteConfiguration,
    RouteMatch,
    StringMatch,
    VirtualHost,
    WeightedCluster,
)
from mesh.model.tls import Secrets

ORIGIN = "outbound|9080||origin.default.svc.cluster.local"
FRESH = "outbound|9080|fresh|origin.default.svc.cluster.local"  # one request a connection
REFUSED = "outbound|9081||refused.default.svc.cluster.local"
EMPTY = "outbound|9082||empty.default.svc.cluster.local"
_BARRIER_CLUSTER = "barrier"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where things are for one of the two proxies. Nobody listens on ``refused``; ``more``: the area's."""

    listener: int
    origin: int
    refused: int
    more: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Area:
    """``clusters`` and ``listeners`` are added to those that every area has."""

    name: str
    hosts: tuple[VirtualHost, ...]
    request_headers: HeaderMutation = NO_MUTATION
    response_headers: HeaderMutation = NO_MUTATION
    clusters: Callable[[Ports], tuple[Cluster, ...]] = lambda _: ()
    listeners: Callable[[Ports], tuple[Listener, ...]] = lambda _: ()
    barrier: str | None = None  # the cluster that leads through the area's own listeners, when they log
    ports: int = 0  # how many the area's own listeners need
    secrets: Callable[[Path], Secrets] | None = None
    filters: tuple[HttpFilter, ...] = ()  # before those that every area has
    manager: dict[str, object] = field(default_factory=dict)
    lingers_s: float = 1.0  # of Envoy, its default: what a client may still send when all is said


def cluster(name: str, *ports: int, **options: object) -> Cluster:
    group = LocalityEndpoints(tuple(Endpoint(HOST, port) for port in ports))
    found = ClusterLoadAssignment(name, (group,) if ports else ())
    return Cluster(name, "STATIC", load_assignment=found, **options)  # type: ignore[arg-type]


def to(name: str = ORIGIN, **options: object) -> Forward:
    return Forward((WeightedCluster(name),), **options)  # type: ignore[arg-type]


def prefix(path: str) -> RouteMatch:
    return RouteMatch(StringMatch("prefix", path))


def exact(path: str) -> RouteMatch:
    return RouteMatch(StringMatch("exact", path))


def any_host(*routes: Route) -> tuple[VirtualHost, ...]:
    return (VirtualHost("any", ("*",), routes),)


def resources(area: Area, ports: Ports) -> Resources:
    clusters = (
        cluster(ORIGIN, ports.origin),
        cluster(FRESH, ports.origin, max_requests_per_connection=1),
        cluster(REFUSED, ports.refused),
        cluster(EMPTY),
        cluster(_BARRIER_CLUSTER, ports.origin),
        *area.clusters(ports),
    )
    return Resources(clusters=clusters, listeners=(_listener(area, ports.listener), *area.listeners(ports)))


def _listener(area: Area, port: int) -> Listener:
    routing = RouteConfiguration(
        area.name,
        (_probe_host(area.barrier or _BARRIER_CLUSTER), *area.hosts),
        area.request_headers,
        area.response_headers,
    )
    manager = HttpConnectionManager(
        "differ",
        (*area.filters, LocalRateLimitFilter(), FaultFilter(), Router()),
        route_config=routing,
        access_logs=(logs_as("source"),),
        server_name="istio-envoy",
        **{"internal_networks": ("127.0.0.0/8",), **area.manager},  # type: ignore[arg-type]
    )
    return Listener("differ", HOST, port, (FilterChain("http", manager),))


def logs_as(reporter: str) -> GrpcAccessLog:
    """An access log that the harness reads, entry by entry."""
    tags = (MetadataTag("reporter", "literal", reporter),)
    return GrpcAccessLog("differ", CONTROL_PLANE_CLUSTER, tags, 0.01, 1)


def _probe_host(barrier: str) -> VirtualHost:
    """Answers the probe itself, and takes the barrier through this cluster to the origin."""
    told = HeaderMutation(set=(PROBE_FIELD,))
    answer = Route(RouteMatch(), DirectResponse(200, b"probe"), response_headers=told)
    return VirtualHost("differ", (PROBE_HOST,), (Route(prefix(BARRIER), to(barrier)), answer))
