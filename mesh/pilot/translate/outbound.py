"""Outbound listeners: how a sidecar takes what its application sends.

REDIRECT: ``virtualOutbound`` gets every connection and hands it to the listener of its original destination:
``0.0.0.0_<port>`` for the HTTP ports of services, ``<ip>_<port>`` for each address behind a TCP port (bytes
name no host, so only the address can tell the service), ``0.0.0.0_<port>`` by SNI for the TLS ports of
ServiceEntries without addresses. What nobody takes passes through, or is refused under REGISTRY_ONLY.
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

_TLS = ("TLS", "HTTPS")


def outbound_listeners(world: World, node: Node) -> tuple[Listener, ...]:
    """The outbound listeners of one proxy, not sorted."""
    if node.interception == "NONE":
        return (_http(node, node.address, names.OUTBOUND_PORT, names.HTTP_PROXY_ROUTE, bind=True),)
    http_ports = outbound_http_ports(world, node)
    http = (_http(node, ANY_ADDRESS, port, names.outbound_route(port), bind=False) for port in http_ports)
    namespace = node.namespace
    tcp = world.shared(("tcp listeners", namespace), lambda: tuple(_tcp_listeners(world, namespace)))
    sni = world.shared("SNI listeners", lambda: tuple(_sni_listeners(world)))
    return _virtual_outbound(world), *http, *tcp, *(one for one in sni if one.port not in http_ports)


def _virtual_outbound(world: World) -> Listener:
    loop = FilterChainMatch(names.OUTBOUND_PORT)
    return Listener(
        names.VIRTUAL_OUTBOUND,
        ANY_ADDRESS,
        names.OUTBOUND_PORT,
        (FilterChain("virtualOutbound-blackhole", _proxy_to(names.BLACK_HOLE_CLUSTER), loop),),
        direction="OUTBOUND",
        use_original_dst=True,
        default_filter_chain=FilterChain("virtualOutbound", _proxy_to(unknown_cluster(world))),
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


def unknown_cluster(world: World) -> str:
    """Where bytes go that are meant for nothing the mesh knows (outbound traffic policy)."""
    return names.BLACK_HOLE_CLUSTER if world.registry_only else names.PASSTHROUGH_CLUSTER


def _sni_listeners(world: World) -> Iterator[Listener]:
    """One a TLS port of ServiceEntries without addresses: only the SNI can tell their hosts apart."""
    hosts: dict[int, list[str]] = {}
    for service in world.services:
        for port in service.ports:
            if service.entry is not None and not service.addresses and port.protocol in _TLS:
                hosts.setdefault(port.number, []).append(service.host)
    for number in sorted(hosts):
        chains = tuple(_sni_chain(number, host) for host in sorted(hosts[number]))
        name = names.listener(ANY_ADDRESS, number)
        yield Listener(
            name,
            ANY_ADDRESS,
            number,
            chains,
            direction="OUTBOUND",
            bind_to_port=False,
            inspect_tls=True,
            default_filter_chain=FilterChain(f"{name}_unknown", _proxy_to(unknown_cluster(world))),
        )


def _sni_chain(number: int, host: str) -> FilterChain:
    cluster = names.outbound_cluster(number, "", host)
    match = FilterChainMatch(transport_protocol="tls", server_names=(host,))
    return FilterChain(cluster, _proxy_to(cluster), match)


def _proxy_to(cluster: str) -> TcpProxy:
    return TcpProxy(cluster, cluster)
