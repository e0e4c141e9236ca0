"""Route configurations: virtual hosts for every service and every host VirtualServices make up.

REDIRECT: one a port ("9080"): the caller dialled that port, whatever its authority says of it. NONE: one for
the HTTP proxy listener ("http_proxy"): the port is in the authority, and left out only where it is 80.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import replace

from mesh.galley.api.http_route import HttpMatch
from mesh.galley.api.virtual_service import L4Match
from mesh.model import names
from mesh.model.node import DOMAIN, Node
from mesh.model.route import (
    DirectResponse,
    Forward,
    Route,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)
from mesh.pilot.services import is_http
from mesh.pilot.translate import filters
from mesh.pilot.translate.destination import Target
from mesh.pilot.translate.hash_policy import with_hash_policies
from mesh.pilot.translate.virtual_service import governing, hosts_without_service, routes_to
from mesh.pilot.world import World

HTTP_PORT = 80  # of hosts no service stands behind, and the one an authority may leave out
_ALLOW_ANY = VirtualHost(
    "allow_any",
    ("*",),
    (Route(RouteMatch(), Forward((WeightedCluster(names.PASSTHROUGH_CLUSTER),)), "allow_any"),),
)
_BLOCK_ALL = VirtualHost("block_all", ("*",), (Route(RouteMatch(), DirectResponse(502), "block_all"),))


def routes(world: World, node: Node) -> tuple[RouteConfiguration, ...]:
    """Every route configuration of one proxy, sorted by name."""
    hosts = world.shared(("routes", *viewpoint(world, node)), lambda: tuple(_hosts_by_name(world, node)))
    headers = filters.outbound_request_headers(node)
    return tuple(RouteConfiguration(name, found, request_headers=headers) for name, found in hosts)


def outbound_http_ports(world: World, node: Node) -> tuple[int, ...]:
    """The ports that are HTTP for this proxy's application, sorted."""
    return tuple(sorted({target.port for target in _targets(world, node)}))


def viewpoint(world: World, node: Node) -> tuple[Hashable, ...]:
    """All of a node that its rules depend on: of its labels only those some rule asks for."""
    keys = world.shared("source labels", lambda: _asked_labels(world))
    return node.namespace, node.interception, tuple(node.labels.get(key) for key in keys)


def _asked_labels(world: World) -> tuple[str, ...]:
    specs = [one.spec for one in world.config.virtual_services]
    entries: list[HttpMatch | L4Match] = []
    entries += [entry for spec in specs for rule in spec.http for entry in rule.match]
    entries += [entry for spec in specs for rule in spec.tcp for entry in rule.match]
    entries += [entry for spec in specs for rule in spec.tls for entry in rule.match]
    return tuple(sorted({key for entry in entries for key in entry.source_labels}))


def _hosts_by_name(world: World, node: Node) -> Iterator[tuple[str, tuple[VirtualHost, ...]]]:
    if node.interception == "NONE":
        yield names.HTTP_PROXY_ROUTE, _hosts(world, node, _targets(world, node), _BLOCK_ALL)
        return
    for port in sorted(outbound_http_ports(world, node), key=names.outbound_route):
        targets = [target for target in _targets(world, node) if target.port == port]
        rest = _BLOCK_ALL if world.registry_only else _ALLOW_ANY
        yield names.outbound_route(port), _hosts(world, node, targets, rest)


def _targets(world: World, node: Node) -> tuple[Target, ...]:
    """Every HTTP host and port, services first: where two claim one domain, a service keeps it."""
    namespace = node.namespace
    return world.shared(("targets", namespace), lambda: tuple(_find_targets(world, namespace)))


def _find_targets(world: World, client_namespace: str) -> Iterator[Target]:
    for service in world.services:
        for port in service.ports:
            if is_http(port):
                yield Target(service.host, port.number, service)
    for host in hosts_without_service(world, client_namespace):
        yield Target(host, HTTP_PORT, None)


def _hosts(world: World, node: Node, targets: Iterable[Target], rest: VirtualHost) -> tuple[VirtualHost, ...]:
    """The virtual hosts, each domain in the first only (Envoy refuses a domain that is there twice)."""
    found: list[VirtualHost] = []
    taken: set[str] = set()
    for host in (*(_host(world, node, target) for target in targets), rest):
        domains = tuple(domain for domain in host.domains if domain not in taken)
        if domains and host.routes:
            taken.update(domains)
            found.append(replace(host, domains=domains))
    return tuple(sorted(found, key=lambda host: host.name))


def _host(world: World, node: Node, target: Target) -> VirtualHost:
    routes = routes_to(world, node, target, governing(world, target.host, node.namespace))
    routes = with_hash_policies(world, node.namespace, routes)
    name = names.virtual_host(target.host, target.port)
    return VirtualHost(name, _domains(node, target), routes, include_attempt_count=True)


def _domains(node: Node, target: Target) -> tuple[str, ...]:
    found: list[str] = []
    for name in map(str.lower, _names(node, target)):  # Envoy compares them without case
        if node.interception == "REDIRECT" or target.port == HTTP_PORT:
            found.append(name)
        if name != "*":
            found.append(f"{name}:{target.port}")
    return tuple(dict.fromkeys(found))


def _names(node: Node, target: Target) -> Iterator[str]:
    """How callers may write the host: in full, or shorter as the caller's own namespace allows."""
    service = target.service
    if service is not None and target.host.endswith(f".{DOMAIN}"):
        if service.namespace == node.namespace:
            yield service.name
        yield f"{service.name}.{service.namespace}"
        yield f"{service.name}.{service.namespace}.svc"
    yield target.host.lower()
    if service is not None:
        yield from (f"[{address}]" if ":" in address else address for address in service.addresses)
