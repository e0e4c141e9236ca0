"""Inbound listeners: how a sidecar takes what is meant for its application.

REDIRECT: one listener ``virtualInbound`` gets every connection and tells them apart by their original port.
NONE: one listener a port, on the workload's own address.

Each port has the filter chains of ``inbound_chains``. Where a client's first bytes decide, a client that
sends none (its server speaks first) is taken for plaintext bytes after the protocol detection timeout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mesh.galley.api.local_rate_limit import LocalRateLimit
from mesh.model import names
from mesh.model.listener import (
    FilterChain,
    FilterChainMatch,
    HttpConnectionManager,
    Listener,
    NetworkFilter,
)
from mesh.model.node import Node, ServicePort
from mesh.model.route import Forward, Route, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster
from mesh.model.tls import DownstreamTls
from mesh.pilot.services import Service, is_auto
from mesh.pilot.translate import filters
from mesh.pilot.translate.fault import script
from mesh.pilot.translate.inbound_chains import MTLS, chain_kinds, refused_transports
from mesh.pilot.translate.peer_authentication import Mode, mtls_mode
from mesh.pilot.translate.rate_limit import connection_limit, limit_for, limited_routes
from mesh.pilot.translate.virtual_service import governing
from mesh.pilot.world import World

ANY_ADDRESS = "0.0.0.0"


@dataclass(frozen=True, slots=True)
class InboundPort:
    """A port of the application: ``number`` is its own, ``port`` what the service says of it."""

    number: int
    service: Service
    port: ServicePort


def inbound_ports(world: World, node: Node) -> tuple[InboundPort, ...]:
    """The application's ports, sorted; the first service (by host) that has a port speaks for it."""
    found: dict[int, InboundPort] = {}
    for service, instance in world.instances_of(node):
        for port in service.ports:
            target = instance.target(port.number)
            if target is not None:
                found.setdefault(target, InboundPort(target, service, port))
    return tuple(found[number] for number in sorted(found))


def inbound_listeners(world: World, node: Node) -> tuple[Listener, ...]:
    """The inbound listeners of one proxy, not sorted."""
    if node.interception == "REDIRECT":
        return (_virtual_inbound(world, node),)
    return tuple(_port_listener(world, node, port) for port in inbound_ports(world, node))


def _port_listener(world: World, node: Node, port: InboundPort) -> Listener:
    return Listener(
        names.listener(node.address, port.number),
        node.address,
        port.number,
        tuple(_chains(world, node, port, None)),
        direction="INBOUND",
        inspect_tls=_mode(world, node, port) != "DISABLE",
        inspect_http=is_auto(port.port),
        listener_filters_timeout_s=world.protocol_detection_timeout_s,
    )


def _virtual_inbound(world: World, node: Node) -> Listener:
    default = _passthrough(node, "virtualInbound", FilterChainMatch())
    mode = mtls_mode(world.config.peer_authentications, node)
    chains = [_loop_guard(node)]
    ports = inbound_ports(world, node)
    sniffed = tuple(port.number for port in ports if is_auto(port.port))
    for port in ports:
        chains += _chains(world, node, port, port.number)
        if mode != "STRICT":
            chains += _refuse_the_rest(world, node, port)
    if mode != "DISABLE":
        chains.append(_passthrough_mtls(node, mode))
    return Listener(
        names.VIRTUAL_INBOUND,
        ANY_ADDRESS,
        names.INBOUND_PORT,
        tuple(chains),
        direction="INBOUND",
        inspect_tls=True,
        tls_inspector_off=tuple(port.number for port in ports if _mode(world, node, port) == "DISABLE"),
        inspect_http=bool(sniffed),
        http_inspector_on=sniffed,
        listener_filters_timeout_s=world.protocol_detection_timeout_s,
        original_dst=True,
        default_filter_chain=None if mode == "STRICT" else default,
    )


def _mode(world: World, node: Node, port: InboundPort) -> Mode:
    return mtls_mode(world.config.peer_authentications, node, port.number)


def _chains(world: World, node: Node, port: InboundPort, match_port: int | None) -> Iterator[FilterChain]:
    for kind in chain_kinds(port.port, _mode(world, node, port)):
        limit = limit_for(world.config.local_rate_limits, node, port.number, kind.http)
        network_filter = _manager(world, node, port, limit) if kind.http else _tcp(node, port, limit)
        match = FilterChainMatch(match_port, kind.transport, application_protocols=kind.protocols)
        yield FilterChain(_chain_name(node, port, kind.name), network_filter, match, kind.tls)


def _manager(
    world: World, node: Node, port: InboundPort, limit: LocalRateLimit | None
) -> HttpConnectionManager:
    return HttpConnectionManager(
        f"inbound_{ANY_ADDRESS}_{port.number};",
        filters.inbound_filters(node, limited=limit is not None),
        route_config=_routes(world, node, port, limit),
        access_logs=filters.inbound_access_logs(node),
        forward_client_cert="APPEND_FORWARD",
        request_headers_timeout_s=filters.HEAD_TIMEOUT_S,
        internal_networks=filters.INTERNAL_NETWORKS,
        upgrades=filters.UPGRADES,
        enable_trailers=True,
    )


def _routes(world: World, node: Node, port: InboundPort, limit: LocalRateLimit | None) -> RouteConfiguration:
    cluster = names.inbound_cluster(port.number)
    route = Route(
        RouteMatch(),
        Forward((WeightedCluster(cluster),)),
        "default",
        decorator=f"{port.service.host}:{port.port.number}/*",
        script=script(governing(world, port.service.host, port.service.namespace), "server"),
    )
    host = VirtualHost(f"inbound|http|{port.number}", ("*",), limited_routes(limit, route))
    headers = filters.inbound_request_headers(node)
    return RouteConfiguration(names.inbound_route(port.number), (host,), request_headers=headers)


def _tcp(node: Node, port: InboundPort, limit: LocalRateLimit | None) -> NetworkFilter:
    proxy = filters.inbound_tcp(node, names.inbound_cluster(port.number))
    return replace(proxy, rate_limit=connection_limit(limit))


def _chain_name(node: Node, port: InboundPort, kind: str) -> str:
    address = ANY_ADDRESS if node.interception == "REDIRECT" else node.address
    return f"{address}_{port.number}_{kind}"


def _loop_guard(node: Node) -> FilterChain:
    """A connection to the sidecar's own port would be passed through to itself for ever."""
    match = FilterChainMatch(names.INBOUND_PORT)
    return FilterChain("virtualInbound-blackhole", filters.inbound_tcp(node, names.BLACK_HOLE_CLUSTER), match)


def _refuse_the_rest(world: World, node: Node, port: InboundPort) -> Iterator[FilterChain]:
    """Keep what a STRICT port refuses from the default chain, which would hand it to the application.

    Envoy never tries a less specific chain once port and transport have led it to chains: TLS of another
    ALPN than ours needs a refusal of its own, where the chain for mutual TLS asks for an ALPN.
    """
    if _mode(world, node, port) == "STRICT":
        for transport in refused_transports(port.port):
            name = _chain_name(node, port, f"refused_{transport}")
            match = FilterChainMatch(port.number, transport)
            yield FilterChain(name, filters.inbound_tcp(node, names.BLACK_HOLE_CLUSTER), match)


def _passthrough_mtls(node: Node, mode: Mode) -> FilterChain:
    """Mutual TLS to a port no service names; in PERMISSIVE other TLS may be the application's own."""
    alpn = names.MTLS_ALPN if mode == "PERMISSIVE" else ()
    match = FilterChainMatch(transport_protocol="tls", application_protocols=alpn)
    return _passthrough(node, "virtualInbound-mtls", match, MTLS)


def _passthrough(
    node: Node, name: str, match: FilterChainMatch, tls: DownstreamTls | None = None
) -> FilterChain:
    return FilterChain(name, filters.inbound_tcp(node, names.INBOUND_PASSTHROUGH_CLUSTER), match, tls)
