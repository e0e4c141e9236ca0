"""Where connections go that are only bytes: a VirtualService's ``tcp`` and ``tls`` rules.

The first rule that is about the port and the caller counts. ``tls`` rules choose by SNI, for ports whose
protocol is TLS or HTTPS; ``tcp`` rules choose for all other bytes. No rule: the service itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mesh.galley.api.virtual_service import MESH_GATEWAY, L4Match, RouteDestination, VirtualService
from mesh.model import names
from mesh.model.listener import TcpProxy
from mesh.model.node import Node, ServicePort
from mesh.pilot.services import Service
from mesh.pilot.translate import filters
from mesh.pilot.translate.destination import Target, cluster_of
from mesh.pilot.translate.destination_rule import Policy
from mesh.pilot.translate.gateway import BoundServer
from mesh.pilot.translate.hosts import covers, in_full, most_specific
from mesh.pilot.translate.match import holds_for
from mesh.pilot.visibility import is_exported
from mesh.pilot.world import World

_ALWAYS = L4Match()


def tcp_proxy(world: World, node: Node, service: Service, port: ServicePort, policy: Policy) -> TcpProxy:
    """Bytes to a port of the service, as the ``tcp`` rules say."""
    proxy = _limited(node, names.outbound_cluster(port.number, "", service.host), policy)
    for virtual_service in _governing(world, node, service.host):
        for rule in virtual_service.spec.tcp:
            if any(_holds_for(entry, node, port.number) for entry in rule.match or (_ALWAYS,)):
                target = Target(service.host, port.number, service)
                return _towards(world, target, virtual_service, rule.route, proxy)
    return proxy


def sni_proxies(
    world: World, node: Node, service: Service, port: ServicePort, policy: Policy
) -> Iterator[tuple[tuple[str, ...], TcpProxy]]:
    """(server names, where TLS for them goes) by the ``tls`` rules, in their order."""
    proxy = _limited(node, names.outbound_cluster(port.number, "", service.host), policy)
    for virtual_service in _governing(world, node, service.host):
        for rule in virtual_service.spec.tls:
            for entry in rule.match:
                if _holds_for(entry, node, port.number):
                    hosts = tuple(host.lower() for host in entry.sni_hosts)
                    target = Target(service.host, port.number, service)
                    yield hosts, _towards(world, target, virtual_service, rule.route, proxy)


def gateway_tcp_proxy(
    world: World, node: Node, server: BoundServer, bound: Iterable[VirtualService]
) -> TcpProxy | None:
    """Bytes that come by a router's server; None: no rule is about them."""
    port = server.server.port.number
    for virtual_service in bound:
        for host in server.shared_hosts(virtual_service)[:1]:
            for rule in virtual_service.spec.tcp:
                matches = rule.match or (_ALWAYS,)
                if any(_holds_for(entry, node, port, server.gateway, virtual_service) for entry in matches):
                    target, proxy = Target(host, port, None), filters.outbound_tcp(node, "")
                    return _named(_towards(world, target, virtual_service, rule.route, proxy))
    return None


def gateway_sni_proxies(
    world: World, node: Node, server: BoundServer, bound: Iterable[VirtualService]
) -> Iterator[tuple[tuple[str, ...], TcpProxy]]:
    """(server names, where TLS for them goes): those of ``tls`` rules that the server lets in."""
    port = server.server.port.number
    for virtual_service in bound:
        allowed = server.shared_hosts(virtual_service)
        for rule in virtual_service.spec.tls:
            for entry in rule.match:
                hosts = tuple(host.lower() for host in entry.sni_hosts)
                found = tuple(host for host in hosts if any(covers(other, host) for other in allowed))
                if found and _holds_for(entry, node, port, server.gateway, virtual_service):
                    target, proxy = Target(found[0], port, None), filters.outbound_tcp(node, "")
                    yield found, _named(_towards(world, target, virtual_service, rule.route, proxy))


def _named(proxy: TcpProxy) -> TcpProxy:
    """With its counters under the name of (one of) its clusters, as Istio's."""
    return replace(proxy, stat_prefix=proxy.clusters[0])


def _limited(node: Node, cluster: str, policy: Policy) -> TcpProxy:
    """The client's side of a connection obeys the same limits of time as the server's."""
    proxy = filters.outbound_tcp(node, cluster)
    pool = policy.connection_pool.tcp if policy.connection_pool is not None else None
    if pool is not None and pool.idle_timeout is not None:
        proxy = replace(proxy, idle_timeout_s=pool.idle_timeout)
    if pool is not None and pool.max_connection_duration is not None:
        proxy = replace(proxy, max_connection_duration_s=pool.max_connection_duration)
    return proxy


def _towards(
    world: World,
    target: Target,
    virtual_service: VirtualService,
    route: Sequence[RouteDestination],
    proxy: TcpProxy,
) -> TcpProxy:
    """A lone destination has all the weight; of several, those without any get nothing."""
    namespace = virtual_service.metadata.namespace
    found = [
        (cluster_of(world, target, namespace, one.destination), one.weight)
        for one in route
        if one.weight or len(route) == 1
    ]
    if len(found) == 1:
        return replace(proxy, cluster=found[0][0])
    return replace(proxy, cluster="", weighted_clusters=tuple(found))


def _governing(world: World, node: Node, host: str) -> list[VirtualService]:
    """The VirtualService with such rules that the caller obeys for a full host name: one or none."""
    bound = world.shared(("L4 virtual services", node.namespace), lambda: _bindings(world, node.namespace))
    return most_specific(host, bound)[:1]


def _bindings(world: World, client_namespace: str) -> list[tuple[str, VirtualService]]:
    """The preferred first: those of the caller's own namespace."""
    found = [
        one
        for one in world.config.virtual_services
        if (one.spec.tcp or one.spec.tls)
        and one.spec.in_mesh
        and is_exported(one.spec.export_to, one.metadata.namespace, client_namespace)
    ]
    found.sort(key=lambda one: one.metadata.namespace != client_namespace)
    return [(in_full(host, one.metadata.namespace), one) for one in found for host in one.spec.hosts]


def _holds_for(
    entry: L4Match,
    node: Node,
    port: int,
    gateway: str = MESH_GATEWAY,
    virtual_service: VirtualService | None = None,
) -> bool:
    """Whether this caller's connections to that port match. Subnets are not served: galley says so."""
    home = virtual_service.metadata.namespace if virtual_service is not None else ""
    served = not entry.destination_subnets and not entry.source_subnet
    return served and holds_for(entry, node, port, gateway, home)
