"""From what was received to what can be served: nothing is served before what it refers to is there.

    a route configuration waits until its clusters have endpoints, and the secrets they name
    a listener waits until its route configurations, its secrets, and the clusters it names are there
    a cluster stays, with its endpoints, as long as anything served refers to it, and so do secrets

What waits leaves the older one of its name in service. A cluster that nobody announced is not waited for:
a route to it answers 503 (NC).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment
from mesh.model.listener import Listener
from mesh.model.resources import Resources
from mesh.model.route import RouteConfiguration
from mesh.model.tls import Secret
from mesh.xds.references import clusters_of_listener, clusters_of_route, route_names
from mesh.xds.secrets import secret_names, secrets_of_cluster, secrets_of_listener

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Received:
    """The newest content taken of each type, by resource name."""

    clusters: Mapping[str, Cluster] = field(default_factory=dict)
    endpoints: Mapping[str, ClusterLoadAssignment] = field(default_factory=dict)
    listeners: Mapping[str, Listener] = field(default_factory=dict)
    routes: Mapping[str, RouteConfiguration] = field(default_factory=dict)
    secrets: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Settled:
    """``waiting`` names the types of which something received is not served yet."""

    resources: Resources
    waiting: frozenset[str]


def settle(received: Received, serving: Resources) -> Settled:
    """What to serve now, given what is served until now."""
    cold = frozenset(
        cluster.name
        for cluster in received.clusters.values()
        if (cluster.discovery == "EDS" and cluster.name not in received.endpoints)
        or not secrets_of_cluster(cluster) <= received.secrets.keys()
    )
    ready_routes = {
        name: routes for name, routes in received.routes.items() if not clusters_of_route(routes) & cold
    }
    routes = {**{each.name: each for each in serving.routes}, **ready_routes}
    listeners, waiting_listener = _listeners(received, serving, frozenset(routes), cold)
    waiting = {
        "CDS": bool(cold),
        "RDS": len(ready_routes) < len(received.routes),
        "LDS": waiting_listener,
    }
    names = route_names(listeners.values())
    chosen = {name: each for name, each in routes.items() if name in names}
    return Settled(
        _assemble(received, serving, listeners, chosen),
        frozenset(name for name, is_waiting in waiting.items() if is_waiting),
    )


def _listeners(
    received: Received, serving: Resources, routes: frozenset[str], cold: frozenset[str]
) -> tuple[dict[str, Listener], bool]:
    """The listeners to serve, and whether any of them, or an absent one, waits."""
    old = {listener.name: listener for listener in serving.listeners}
    chosen: dict[str, Listener] = {}
    waiting = False
    for name, listener in received.listeners.items():
        if _is_ready(listener, received, routes, cold):
            chosen[name] = listener
            continue
        waiting = True
        if name in old:
            chosen[name] = old[name]
    return chosen, waiting


def _is_ready(listener: Listener, received: Received, routes: frozenset[str], cold: frozenset[str]) -> bool:
    return (
        route_names([listener]) <= routes
        and not clusters_of_listener(listener) & cold
        and secrets_of_listener(listener) <= received.secrets.keys()
    )


def _assemble(
    received: Received,
    serving: Resources,
    listeners: Mapping[str, Listener],
    routes: Mapping[str, RouteConfiguration],
) -> Resources:
    referred = frozenset[str]().union(
        *map(clusters_of_listener, listeners.values()), *map(clusters_of_route, routes.values())
    )
    kept = {each.name: each for each in serving.clusters if each.name in referred}
    clusters = {**kept, **received.clusters}
    endpoints = {**{each.cluster_name: each for each in serving.endpoints}, **received.endpoints}
    wanted = {name: each for name, each in endpoints.items() if name in clusters}
    secrets = {**{each.name: each for each in serving.secrets}, **received.secrets}
    named = secret_names(clusters.values(), listeners.values())
    return Resources(
        clusters=_sorted(clusters),
        endpoints=_sorted(wanted),
        listeners=_sorted(listeners),
        routes=_sorted(routes),
        secrets=_sorted({name: each for name, each in secrets.items() if name in named}),
    )


def _sorted(by_name: Mapping[str, _T]) -> tuple[_T, ...]:
    return tuple(by_name[name] for name in sorted(by_name))
