"""What a router does with requests: a route configuration for each port in plaintext, and each HTTPS server.

Only what VirtualServices say is served there: a service without any is 404. Of several that bind to one host
all rules count, in the order of their names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mesh.galley.api.virtual_service import VirtualService
from mesh.model import names
from mesh.model.listener import Listener
from mesh.model.node import Node
from mesh.model.route import Route, RouteConfiguration, VirtualHost
from mesh.pilot.translate import filters
from mesh.pilot.translate.client import client_of
from mesh.pilot.translate.destination import Target
from mesh.pilot.translate.gateway import BoundServer, GatewayPort, bound_to, gateway_ports
from mesh.pilot.translate.hash_policy import with_hash_policies
from mesh.pilot.translate.virtual_service import routes_to
from mesh.pilot.world import World
from mesh.xds.references import route_names


def gateway_routes(world: World, node: Node, listeners: Iterable[Listener]) -> tuple[RouteConfiguration, ...]:
    """Those that the router's listeners ask for, sorted by name."""
    headers, hosts = filters.outbound_request_headers(node), gateway_hosts(world, node)
    return tuple(
        RouteConfiguration(name, hosts.get(name, ()), request_headers=headers)
        for name in sorted(route_names(listeners))
    )


def gateway_hosts(world: World, node: Node) -> Mapping[str, tuple[VirtualHost, ...]]:
    """The virtual hosts of each route configuration, by its name."""
    key = ("gateway hosts", node.namespace, node.name, node.address, *sorted(node.labels.items()))
    return world.shared(key, lambda: _make_hosts(world, node))


def _make_hosts(world: World, node: Node) -> Mapping[str, tuple[VirtualHost, ...]]:
    found: dict[str, tuple[VirtualHost, ...]] = {}
    for port in gateway_ports(world, node):
        for name, servers in route_names_of(port):
            found[name] = tuple(_hosts(world, node, port.number, servers))
    return found


def route_names_of(port: GatewayPort) -> Iterator[tuple[str, tuple[BoundServer, ...]]]:
    """The route configurations of a port, each with the servers whose requests take it."""
    plaintext = tuple(server for server in port.servers if server.kind == "http")
    if plaintext:
        yield names.gateway_http_route(port.address, port.number), plaintext
    for server in port.servers:
        if server.kind == "https":
            yield https_route(server), (server,)


def https_route(server: BoundServer) -> str:
    """Istio's name: port, the port's name, gateway and namespace."""
    namespace, _, gateway = server.gateway.partition("/")
    return names.gateway_https_route(server.server.port.number, server.server.port.name, gateway, namespace)


def _hosts(world: World, node: Node, port: int, servers: Iterable[BoundServer]) -> Iterator[VirtualHost]:
    """One a host, also for what nobody serves where plaintext is redirected."""
    found: dict[str, list[tuple[VirtualService, str]]] = {}
    to_tls: set[str] = set()
    for server in servers:
        bound = [one for one in bound_to(world, node, server.gateway) if one.spec.http]
        hosts = [(host, one) for one in bound for host in server.shared_hosts(one)]
        for host, one in hosts:
            there = found.setdefault(host, [])
            if all(one is not other for other, _ in there):
                there.append((one, server.gateway))
        if server.server.tls is not None and server.server.tls.https_redirect:
            to_tls.update(server.hosts, (host for host, _ in hosts))
    for host in sorted({*found, *to_tls}):
        routes = _routes(world, node, Target(host, port, None), found.get(host, ()))
        if routes or host in to_tls:
            yield VirtualHost(
                names.virtual_host(host, port),
                _domains(host, port),
                routes,
                include_attempt_count=True,
                require_tls=host in to_tls,
            )


def _routes(
    world: World, node: Node, target: Target, rules: Iterable[tuple[VirtualService, str]]
) -> tuple[Route, ...]:
    """``rules``: of whom, and the Gateway by which the requests come."""
    found = [route for one, gateway in rules for route in routes_to(world, node, target, one, gateway)]
    return with_hash_policies(world, client_of(world, node), tuple(found))


def _domains(host: str, port: int) -> tuple[str, ...]:
    """With any port: the client may have come by another. A wildcard allows of no second one (Envoy)."""
    if host == "*":
        return ("*",)
    return host, f"{host}:{port}" if host.startswith("*") else f"{host}:*"
