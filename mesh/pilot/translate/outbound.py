"""Outbound listeners: how a sidecar takes what its application sends.

REDIRECT: ``virtualOutbound`` gets every connection and hands it to the listener of its original destination:
``0.0.0.0_<port>`` for the HTTP ports of services, ``<ip>_<port>`` for each address behind another port (see
``places``), ``0.0.0.0_<port>`` for ports of ServiceEntries, by ranges of addresses and, for TLS without any
address, by SNI. What nobody takes passes through, or is refused under REGISTRY_ONLY.
NONE: one HTTP proxy listener, which the application is pointed to, and one for each place set aside for it.
"""

from __future__ import annotations

from dataclasses import replace

from mesh.model import names
from mesh.model.listener import FilterChain, FilterChainMatch, Listener
from mesh.model.node import Node
from mesh.pilot.translate import filters
from mesh.pilot.translate.inbound import ANY_ADDRESS
from mesh.pilot.translate.outbound_http import http_manager
from mesh.pilot.translate.outbound_tcp import (
    PLAINTEXT_HTTP,
    place_listeners,
    port_listeners,
    unknown_cluster,
    with_chains,
)
from mesh.pilot.translate.places import has_no_place
from mesh.pilot.translate.routes import outbound_http_ports, viewpoint
from mesh.pilot.world import World


def outbound_listeners(world: World, node: Node) -> tuple[Listener, ...]:
    """The outbound listeners of one proxy, not sorted."""
    if node.interception == "NONE":
        return _http_proxy(world, node), *place_listeners(world, node)
    view, http_ports = (node.engine, *viewpoint(world, node)), outbound_http_ports(world, node)
    by_address = world.shared(("place listeners", *view), lambda: place_listeners(world, node))
    by_port = world.shared(("port listeners", *view), lambda: port_listeners(world, node))
    bytes_of = {listener.port: listener for listener in by_port}
    return (
        _virtual_outbound(world, node),
        *(_with_ranges(world, _http_port(world, node, port), bytes_of.get(port)) for port in http_ports),
        *by_address,
        *(listener for listener in by_port if listener.port not in http_ports),
    )


def _with_ranges(world: World, http: Listener, raw: Listener | None) -> Listener:
    """A port that is HTTP for one service and bytes for another: theirs are the ranges of addresses."""
    chains = raw.filter_chains if raw is not None else ()
    ranges = [chain for chain in chains if chain.match.destination_ranges]
    return with_chains(world, http, *ranges) if ranges else http


def _virtual_outbound(world: World, node: Node) -> Listener:
    loop = FilterChainMatch(names.OUTBOUND_PORT)
    return Listener(
        names.VIRTUAL_OUTBOUND,
        ANY_ADDRESS,
        names.OUTBOUND_PORT,
        (
            FilterChain(
                "virtualOutbound-blackhole", filters.outbound_tcp(node, names.BLACK_HOLE_CLUSTER), loop
            ),
        ),
        direction="OUTBOUND",
        use_original_dst=True,
        default_filter_chain=FilterChain(
            "virtualOutbound", filters.outbound_tcp(node, unknown_cluster(world))
        ),
    )


def _http_proxy(world: World, node: Node) -> Listener:
    address, port = node.address, names.OUTBOUND_PORT
    name = names.listener(address, port)
    manager = http_manager(world, node, address, port, names.HTTP_PROXY_ROUTE)
    return Listener(name, address, port, (FilterChain(name, manager),), direction="OUTBOUND")


def _http_port(world: World, node: Node, port: int) -> Listener:
    """Where a host on the port does not say what it speaks, what is no HTTP goes where unknown bytes go."""
    name = names.listener(ANY_ADDRESS, port)
    chain = FilterChain(name, http_manager(world, node, ANY_ADDRESS, port, names.outbound_route(port)))
    listener = Listener(name, ANY_ADDRESS, port, (chain,), direction="OUTBOUND", bind_to_port=False)
    if not _is_unsure(world, port):
        return listener
    return replace(
        listener,
        filter_chains=(replace(chain, match=PLAINTEXT_HTTP),),
        inspect_http=True,
        listener_filters_timeout_s=world.protocol_detection_timeout_s,
        default_filter_chain=FilterChain(f"{name}_bytes", filters.outbound_tcp(node, unknown_cluster(world))),
    )


def _is_unsure(world: World, number: int) -> bool:
    return any(
        port.number == number and has_no_place(service, port)
        for service in world.services
        for port in service.ports
    )
