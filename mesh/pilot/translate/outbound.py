"""Outbound listeners: how a sidecar takes what its application sends.

REDIRECT: ``virtualOutbound`` gets every connection and hands it to the listener of its original destination:
``0.0.0.0_<port>`` for the HTTP ports of services, ``<ip>_<port>`` for each address behind a TCP port (bytes
name no host, so only the address can tell the service), ``0.0.0.0_<port>`` by SNI for the TLS ports of
ServiceEntries without addresses. What nobody takes passes through, or is refused under REGISTRY_ONLY.
NONE: one HTTP proxy listener, which the application is pointed to; it carries HTTP only.
"""

from __future__ import annotations

from mesh.model import names
from mesh.model.listener import FilterChain, FilterChainMatch, HttpConnectionManager, Listener
from mesh.model.node import Node
from mesh.pilot.translate import filters
from mesh.pilot.translate.inbound import ANY_ADDRESS
from mesh.pilot.translate.outbound_tcp import l4_listeners, proxy_to, unknown_cluster
from mesh.pilot.translate.routes import outbound_http_ports, viewpoint
from mesh.pilot.world import World


def outbound_listeners(world: World, node: Node) -> tuple[Listener, ...]:
    """The outbound listeners of one proxy, not sorted."""
    if node.interception == "NONE":
        return (_http(node, node.address, names.OUTBOUND_PORT, names.HTTP_PROXY_ROUTE, bind=True),)
    http_ports = outbound_http_ports(world, node)
    http = (_http(node, ANY_ADDRESS, port, names.outbound_route(port), bind=False) for port in http_ports)
    raw = world.shared(("L4 listeners", *viewpoint(world, node)), lambda: tuple(l4_listeners(world, node)))
    own = (one for one in raw if one.address != ANY_ADDRESS or one.port not in http_ports)
    return _virtual_outbound(world), *http, *own


def _virtual_outbound(world: World) -> Listener:
    loop = FilterChainMatch(names.OUTBOUND_PORT)
    return Listener(
        names.VIRTUAL_OUTBOUND,
        ANY_ADDRESS,
        names.OUTBOUND_PORT,
        (FilterChain("virtualOutbound-blackhole", proxy_to(names.BLACK_HOLE_CLUSTER), loop),),
        direction="OUTBOUND",
        use_original_dst=True,
        default_filter_chain=FilterChain("virtualOutbound", proxy_to(unknown_cluster(world))),
    )


def _http(node: Node, address: str, port: int, route_name: str, bind: bool) -> Listener:
    manager = HttpConnectionManager(
        f"outbound_{address}_{port};",
        filters.outbound_filters(node),
        route_config_name=route_name,
        access_logs=filters.outbound_access_logs(node),
        request_headers_timeout_s=filters.HEAD_TIMEOUT_S,
        internal_networks=filters.INTERNAL_NETWORKS,
        upgrades=filters.UPGRADES,
        enable_trailers=True,
    )
    name = names.listener(address, port)
    return Listener(
        name, address, port, (FilterChain(name, manager),), direction="OUTBOUND", bind_to_port=bind
    )
