"""Which resources name which others: listener -> route configuration -> cluster -> load assignment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mesh.model.cluster import Cluster
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener, NetworkFilter
from mesh.model.route import Forward, RouteConfiguration


def assignment_names(clusters: Iterable[Cluster]) -> frozenset[str]:
    """The clusters whose endpoints come over EDS."""
    return frozenset(cluster.name for cluster in clusters if cluster.discovery == "EDS")


def route_names(listeners: Iterable[Listener]) -> frozenset[str]:
    """The route configurations that come over RDS."""
    managers = (each for listener in listeners for each in network_filters(listener))
    return frozenset(
        manager.route_config_name
        for manager in managers
        if isinstance(manager, HttpConnectionManager) and manager.route_config is None
    )


def clusters_of_route(routes: RouteConfiguration) -> frozenset[str]:
    """Every cluster a request, or a copy of it, can go to."""
    forwards = (
        route.action
        for host in routes.virtual_hosts
        for route in host.routes
        if isinstance(route.action, Forward)
    )
    return frozenset(
        name
        for forward in forwards
        for name in (
            *(cluster.name for cluster in forward.clusters),
            *(mirror.cluster for mirror in forward.mirrors),
        )
    )


def clusters_of_listener(listener: Listener) -> frozenset[str]:
    """Those that the listener names itself: its TCP proxies' and its inline routes'."""
    names: set[str] = set()
    for network_filter in network_filters(listener):
        if not isinstance(network_filter, HttpConnectionManager):
            names.update(network_filter.clusters)
        elif network_filter.route_config is not None:
            names |= clusters_of_route(network_filter.route_config)
    return frozenset(names)


def network_filters(listener: Listener) -> Iterator[NetworkFilter]:
    return (chain.network_filter for chain in filter_chains(listener))


def filter_chains(listener: Listener) -> Iterator[FilterChain]:
    yield from listener.filter_chains
    if listener.default_filter_chain is not None:
        yield listener.default_filter_chain
