"""A router's listeners: one a port of its Gateways, its servers told apart by SNI.

http         one chain, the routes of all servers on the port
https        a chain a server: TLS ends there, its own routes
tls, tcp     bytes, as the ``tcp`` rules of bound VirtualServices say
passthrough  a chain for each set of server names in their ``tls`` rules, TLS unopened
"""

from __future__ import annotations

from collections.abc import Iterator

from mesh.model import names
from mesh.model.listener import FilterChain, FilterChainMatch, HttpConnectionManager, Listener, NetworkFilter
from mesh.model.node import Node
from mesh.model.tls import DownstreamTls
from mesh.pilot.translate import filters
from mesh.pilot.translate.gateway import BoundServer, GatewayPort, bound_to, gateway_ports
from mesh.pilot.translate.gateway_routes import gateway_hosts, https_route
from mesh.pilot.translate.gateway_tls import downstream_tls
from mesh.pilot.translate.l4_route import gateway_sni_proxies, gateway_tcp_proxy
from mesh.pilot.translate.outbound_http import leads_to_auto
from mesh.pilot.world import World

SERVER_NAME = "istio-envoy"


def gateway_listeners(world: World, node: Node) -> tuple[Listener, ...]:
    """Not sorted; a port none of whose servers can be served has none."""
    made = (_listener(world, node, port) for port in gateway_ports(world, node))
    return tuple(listener for listener in made if listener.filter_chains)


def _listener(world: World, node: Node, port: GatewayPort) -> Listener:
    name = names.listener(port.address, port.number)
    chains = tuple(_chains(world, node, port, name))
    inspects = any(chain.match.transport_protocol == "tls" for chain in chains)
    return Listener(
        name,
        port.address,
        port.number,
        chains,
        direction="OUTBOUND",
        inspect_tls=inspects,
        listener_filters_timeout_s=world.protocol_detection_timeout_s if inspects else None,
    )


def _chains(world: World, node: Node, port: GatewayPort, listener: str) -> Iterator[FilterChain]:
    first = port.servers[0]
    if first.kind == "http":
        route = names.gateway_http_route(port.address, port.number)
        yield FilterChain(listener, _manager(world, node, port, route))
    elif first.kind == "tcp":
        proxy = gateway_tcp_proxy(world, node, first, bound_to(world, node, first.gateway))
        if proxy is not None:
            yield FilterChain(listener, proxy)
    else:
        yield from _by_sni(world, node, port, listener)


def _by_sni(world: World, node: Node, port: GatewayPort, listener: str) -> Iterator[FilterChain]:
    """Envoy refuses a name that is there twice: the first server has it."""
    taken: set[str] = set()
    for server in port.servers:
        for server_names, found, tls in _tls_chains(world, node, port, server):
            new = tuple(name for name in dict.fromkeys(server_names) if name not in taken)
            taken.update(new)
            if new:
                # Envoy has no "*" for server names: none at all is any
                match = FilterChainMatch(None, "tls", () if "*" in new else new)
                yield FilterChain(f"{listener}_{new[0]}", found, match, tls)


def _tls_chains(
    world: World, node: Node, port: GatewayPort, server: BoundServer
) -> Iterator[tuple[tuple[str, ...], NetworkFilter, DownstreamTls | None]]:
    bound = bound_to(world, node, server.gateway)
    if server.kind == "passthrough":
        for server_names, proxy in gateway_sni_proxies(world, node, server, bound):
            yield server_names, proxy, None
        return
    tls = downstream_tls(world, node, server)
    if tls is None:
        return
    if server.kind == "https":
        yield server.hosts, _manager(world, node, port, https_route(server)), tls
        return
    proxy_of_bytes = gateway_tcp_proxy(world, node, server, bound)
    if proxy_of_bytes is not None:
        yield server.hosts, proxy_of_bytes, tls


def _manager(world: World, node: Node, port: GatewayPort, route: str) -> HttpConnectionManager:
    """As a sidecar's outbound one, but that its clients are nobody's sidecars (see the proxy's ``edge``)."""
    hosts = gateway_hosts(world, node).get(route, ())
    return HttpConnectionManager(
        f"outbound_{port.address}_{port.number};",
        filters.outbound_filters(node, names_protocol=leads_to_auto(world, hosts)),
        route_config_name=route,
        access_logs=filters.outbound_access_logs(node),
        forward_client_cert="SANITIZE_SET",
        forward_client_pem=True,
        server_name=SERVER_NAME,
        request_headers_timeout_s=filters.HEAD_TIMEOUT_S,
        internal_networks=filters.INTERNAL_NETWORKS,
        use_remote_address=True,
        upgrades=filters.UPGRADES,
        enable_trailers=True,
    )
