"""Outbound connection managers, and which of them must say of their requests that they are requests.

A port that does not say what it speaks learns it, under mutual TLS, from the ALPN its caller's sidecar
offers. So every manager whose routes lead to such a port has the filter that sets it, and no other.
"""

from __future__ import annotations

from collections.abc import Iterable

from mesh.model.listener import HttpConnectionManager
from mesh.model.names import parse_cluster
from mesh.model.node import Node
from mesh.model.route import Forward, VirtualHost
from mesh.pilot.services import is_auto
from mesh.pilot.translate import filters
from mesh.pilot.translate.routes import hosts_by_route, viewpoint
from mesh.pilot.world import World


def http_manager(world: World, node: Node, address: str, port: int, route_name: str) -> HttpConnectionManager:
    return HttpConnectionManager(
        f"outbound_{address}_{port};",
        filters.outbound_filters(node, names_protocol=_leads_to_auto(world, node, route_name)),
        route_config_name=route_name,
        access_logs=filters.outbound_access_logs(node),
        request_headers_timeout_s=filters.HEAD_TIMEOUT_S,
        internal_networks=filters.INTERNAL_NETWORKS,
        upgrades=filters.UPGRADES,
        enable_trailers=True,
    )


def _leads_to_auto(world: World, node: Node, route_name: str) -> bool:
    return bool(_auto_ports(world)) and world.shared(
        ("leads to auto", route_name, *viewpoint(world, node)),
        lambda: leads_to_auto(world, hosts_by_route(world, node).get(route_name, ())),
    )


def leads_to_auto(world: World, hosts: Iterable[VirtualHost]) -> bool:
    """Whether by these routes a request may come to a port that does not say what it speaks."""
    auto = _auto_ports(world)
    return bool(auto) and not auto.isdisjoint(_destinations(hosts))


def _auto_ports(world: World) -> frozenset[tuple[str, int]]:
    def find() -> frozenset[tuple[str, int]]:
        every = ((service, port) for service in world.services for port in service.ports)
        return frozenset((service.host, port.number) for service, port in every if is_auto(port))

    return world.shared("auto ports", find)


def _destinations(hosts: Iterable[VirtualHost]) -> set[tuple[str, int]]:
    forwards = [route.action for host in hosts for route in host.routes if isinstance(route.action, Forward)]
    keys = [parse_cluster(cluster.name) for forward in forwards for cluster in forward.clusters]
    return {(key.host, key.port) for key in keys if key is not None}
