"""Outbound listeners: how a sidecar takes what its application sends.

REDIRECT: ``virtualOutbound`` gets every connection and hands it to the listener of its original destination:
``0.0.0.0_<port>`` for the HTTP ports of services, ``<ip>_<port>`` for each address behind a TCP port (bytes
name no host, so only the address can tell the service). What nobody takes passes through.
NONE: one HTTP proxy listener, which the application is pointed to; it carries HTTP only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mesh.model import names
from mesh.model.listener import FilterChain, FilterChainMatch, HttpConnectionManager, Listener, TcpProxy
from mesh.model.node import Node, ServicePort
from mesh.pilot.services import Service, is_http
from mesh.pilot.translate import filters
from mesh.pilot.translate.destination_rule import Policy, policy_for, rule_for
from mesh.pilot.translate.inbound import ANY_ADDRESS
from mesh.pilot.translate.routes import outbound_http_ports
from mesh.pilot.world import World


def outbound_listeners(world: World, node: Node) -> tuple[Listener, ...]:
    """The outbound listeners of one proxy, not sorted."""
    if node.interception == "NONE":
        return (_http(node, node.address, names.OUTBOUND_PORT, names.HTTP_PROXY_ROUTE, bind=True),)
    http = (
        _http(node, ANY_ADDRESS, port, names.outbound_route(port), bind=False)
        for port in outbound_http_ports(world, node)
    )
    namespace = node.namespace
    tcp = world.shared(("tcp listeners", namespace), lambda: tuple(_tcp_listeners(world, namespace)))
    return _virtual_outbound(), *http, *tcp


def _virtual_outbound() -> Listener:
    loop = FilterChainMatch(names.OUTBOUND_PORT)
    return Listener(
        names.VIRTUAL_OUTBOUND,
        ANY_ADDRESS,
        names.OUTBOUND_PORT,
        (FilterChain("virtualOutbound-blackhole", _proxy_to(names.BLACK_HOLE_CLUSTER), loop),),
        direction="OUTBOUND",
        use_original_dst=True,
        default_filter_chain=FilterChain("virtualOutbound", _proxy_to(names.PASSTHROUGH_CLUSTER)),
    )


def _http(node: Node, address: str, port: int, route_name: str, bind: bool) -> Listener:
    manager = HttpConnectionManager(
        f"outbound_{address}_{port};",
        filters.outbound_filters(node),
        route_config_name=route_name,
        access_logs=filters.outbound_access_logs(node),
    )
    name = names.listener(address, port)
    return Listener(
        name, address, port, (FilterChain(name, manager),), direction="OUTBOUND", bind_to_port=bind
    )


def _tcp_listeners(world: World, client_namespace: str) -> Iterator[Listener]:
    """One for each address of each TCP service; the first service (by host) that has an address keeps it."""
    taken: set[str] = set()
    for service in world.services:
        rule = rule_for(world.config.destination_rules, service, client_namespace)
        for port in service.ports:
            for address in _addresses(service, port):
                name = names.listener(address, port.number)
                if name not in taken:
                    taken.add(name)
                    yield _tcp(name, address, service, port, policy_for(rule, None, port.number))


def _addresses(service: Service, port: ServicePort) -> list[str]:
    """The addresses callers get from DNS: the service's own, else its workloads'."""
    if is_http(port):
        return []
    workloads = {one.node.address for one in service.instances if one.target(port.number) == port.number}
    return sorted({*service.addresses, *workloads})


def _tcp(name: str, address: str, service: Service, port: ServicePort, policy: Policy) -> Listener:
    """The client's side of a connection obeys the same limits of time as the server's."""
    proxy = _proxy_to(names.outbound_cluster(port.number, "", service.host))
    pool = policy.connection_pool.tcp if policy.connection_pool is not None else None
    if pool is not None and pool.idle_timeout is not None:
        proxy = replace(proxy, idle_timeout_s=pool.idle_timeout)
    if pool is not None and pool.max_connection_duration is not None:
        proxy = replace(proxy, max_connection_duration_s=pool.max_connection_duration)
    chain = FilterChain(name, proxy)
    return Listener(name, address, port.number, (chain,), direction="OUTBOUND", bind_to_port=False)


def _proxy_to(cluster: str) -> TcpProxy:
    return TcpProxy(cluster, cluster)
