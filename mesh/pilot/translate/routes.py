"""Route configurations: virtual hosts for every service and every host VirtualServices make up.

REDIRECT: one a port ("9080"): the caller dialled that port, whatever its authority says of it. NONE: one
for the HTTP proxy listener ("http_proxy"): the port is in the authority, and left out only where it is 80.
In both one for each port that does not say what it speaks and has an address
("reviews.default.svc.cluster.local:7000"): there the address tells the service, whatever the authority
says.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
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
from mesh.pilot.services import is_auto, is_http
from mesh.pilot.translate import filters
from mesh.pilot.translate.client import client_of
from mesh.pilot.translate.destination import Target
from mesh.pilot.translate.hash_policy import with_hash_policies
from mesh.pilot.translate.places import Place, has_no_place, places, range_places
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
    headers = filters.outbound_request_headers(node)
    found = sorted(hosts_by_route(world, node).items())
    return tuple(RouteConfiguration(name, hosts, request_headers=headers) for name, hosts in found)


def hosts_by_route(world: World, node: Node) -> Mapping[str, tuple[VirtualHost, ...]]:
    """The virtual hosts of each route configuration, by its name."""
    named = world.shared(("routes", *viewpoint(world, node)), lambda: dict(_hosts_by_name(world, node)))
    return named | dict(_hosts_of_places(world, node))


def outbound_http_ports(world: World, node: Node) -> tuple[int, ...]:
    """The ports that are HTTP for this proxy's application, sorted."""
    return tuple(sorted({target.port for target in _targets(world, node)}))


def viewpoint(world: World, node: Node) -> tuple[Hashable, ...]:
    """All of a node that its rules depend on: of its labels only those some rule asks for."""
    keys = world.shared("source labels", lambda: _asked_labels(world))
    return client_of(world, node), node.interception, tuple(node.labels.get(key) for key in keys)


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


def _hosts_of_places(world: World, node: Node) -> Iterator[tuple[str, tuple[VirtualHost, ...]]]:
    for place in (*places(world, node), *range_places(world, node)):
        if is_auto(place.port):
            yield place.route_name, (_host_of_place(world, node, place),)


def _host_of_place(world: World, node: Node, place: Place) -> VirtualHost:
    target = Target(place.service.host, place.port.number, place.service)
    key = ("routes", place.route_name, *viewpoint(world, node))
    return world.shared(key, lambda: _host(world, node, target, ("*",)))


def _targets(world: World, node: Node) -> tuple[Target, ...]:
    """Every HTTP host and port, services first: where two claim one domain, a service keeps it."""
    key = ("targets", node.namespace, node.interception)
    return world.shared(key, lambda: tuple(_find_targets(world, node)))


def _find_targets(world: World, node: Node) -> Iterator[Target]:
    """A port that may be HTTP is among them where requests for it can be told by their authority alone."""
    for service in world.services:
        for port in service.ports:
            by_authority = node.interception == "NONE" or has_no_place(service, port)
            if is_http(port) or (is_auto(port) and by_authority):
                yield Target(service.host, port.number, service)
    for host in hosts_without_service(world, node.namespace):
        yield Target(host, HTTP_PORT, None)


def _hosts(world: World, node: Node, targets: Iterable[Target], rest: VirtualHost) -> tuple[VirtualHost, ...]:
    """The virtual hosts, each domain in the first only (Envoy refuses a domain that is there twice)."""
    found: list[VirtualHost] = []
    taken: set[str] = set()
    named = (_host(world, node, target, _domains(node, target)) for target in targets)
    for host in (*named, rest):
        domains = tuple(domain for domain in host.domains if domain not in taken)
        if domains and host.routes:
            taken.update(domains)
            found.append(replace(host, domains=domains))
    return tuple(sorted(found, key=lambda host: host.name))


def _host(world: World, node: Node, target: Target, domains: tuple[str, ...]) -> VirtualHost:
    routes = routes_to(world, node, target, governing(world, target.host, node.namespace))
    routes = with_hash_policies(world, client_of(world, node), routes)
    name = names.virtual_host(target.host, target.port)
    return VirtualHost(name, domains, routes, include_attempt_count=True)


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
