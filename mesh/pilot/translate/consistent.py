"""The check before a push: every name a resource waits for is sent along with it.

A listener whose routes never come, or a cluster whose endpoints never come, would warm for ever and hold
back the change (xDS, "resource warming"). A route may name a cluster that does not exist: that is a 503 NC.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mesh.model.listener import HttpConnectionManager, Listener
from mesh.model.resources import Resources


def inconsistencies(resources: Resources) -> tuple[str, ...]:
    """What is waited for and missing, or there for nobody, or there twice; nothing in a good snapshot."""
    waited_routes = {name for listener in resources.listeners for name in route_names(listener)}
    waited_endpoints = {cluster.name for cluster in resources.clusters if cluster.discovery == "EDS"}
    return (
        *_differences("route configuration", waited_routes, [one.name for one in resources.routes]),
        *_differences("load assignment", waited_endpoints, [one.cluster_name for one in resources.endpoints]),
        *_twice("cluster", [one.name for one in resources.clusters]),
        *_twice("listener", [one.name for one in resources.listeners]),
    )


def route_names(listener: Listener) -> Iterable[str]:
    """The names of the route configurations a listener takes over RDS."""
    chains = [*listener.filter_chains]
    if listener.default_filter_chain is not None:
        chains.append(listener.default_filter_chain)
    for chain in chains:
        manager = chain.network_filter
        if isinstance(manager, HttpConnectionManager) and manager.route_config is None:
            yield manager.route_config_name


def _differences(what: str, waited: set[str], sent: list[str]) -> Iterable[str]:
    yield from (f"{what} {name}: not sent" for name in sorted(waited - set(sent)))
    yield from (f"{what} {name}: nobody asks for it" for name in sorted(set(sent) - waited))
    yield from _twice(what, sent)


def _twice(what: str, sent: list[str]) -> Iterable[str]:
    return (f"{what} {name}: sent twice" for name, times in sorted(Counter(sent).items()) if times > 1)
