"""Outbound listeners for bytes: at places, where an address or a range tells the service, else by SNI."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mesh.model import names
from mesh.model.listener import FilterChain, FilterChainMatch, Listener, TcpProxy
from mesh.model.node import Node, ServicePort
from mesh.pilot.services import Service, is_auto, is_tls
from mesh.pilot.translate import filters
from mesh.pilot.translate.client import client_of
from mesh.pilot.translate.destination_rule import Policy, policy_for, rule_for
from mesh.pilot.translate.inbound import ANY_ADDRESS
from mesh.pilot.translate.l4_route import sni_proxies, tcp_proxy
from mesh.pilot.translate.outbound_http import http_manager
from mesh.pilot.translate.places import Place, places, range_places
from mesh.pilot.world import World

# what Envoy's http_inspector found to be HTTP
PLAINTEXT_HTTP = FilterChainMatch(transport_protocol="raw_buffer", application_protocols=names.PLAINTEXT_HTTP)


def place_listeners(world: World, node: Node) -> tuple[Listener, ...]:
    return tuple(_at_place(world, node, place) for place in places(world, node))


def unknown_cluster(world: World) -> str:
    """Where bytes go that are meant for nothing the mesh knows (outbound traffic policy)."""
    return names.BLACK_HOLE_CLUSTER if world.registry_only else names.PASSTHROUGH_CLUSTER


def _at_place(world: World, node: Node, place: Place) -> Listener:
    """What no SNI rule takes, and what is no HTTP, goes as the ``tcp`` rules say."""
    name, service, port = place.name, place.service, place.port
    policy = _policy(world, node, service, port)
    rest = FilterChain(name, tcp_proxy(world, node, service, port, policy))
    listener = Listener(
        name,
        place.address,
        port.number,
        (rest,),
        direction="OUTBOUND",
        bind_to_port=node.interception == "NONE",
    )
    if is_auto(port):
        manager = http_manager(world, node, place.address, port.number, place.route_name)
        return replace(
            listener,
            filter_chains=(FilterChain(f"{name}_http", manager, PLAINTEXT_HTTP),),
            default_filter_chain=rest,
            inspect_http=True,
            listener_filters_timeout_s=world.protocol_detection_timeout_s,
        )
    if is_tls(port) and (
        by_sni := tuple(_sni_chains(name, sni_proxies(world, node, service, port, policy), set()))
    ):
        return replace(
            listener,
            filter_chains=(*by_sni, rest),
            inspect_tls=True,
            listener_filters_timeout_s=world.protocol_detection_timeout_s,
        )
    return listener


def port_listeners(world: World, node: Node) -> tuple[Listener, ...]:
    """One a port of ServiceEntries with ranges of addresses, or of TLS ones without any address: there only
    the SNI can tell their hosts apart."""
    ranged: dict[int, list[Place]] = {}
    for place in range_places(world, node):
        ranged.setdefault(place.port.number, []).append(place)
    named: dict[int, list[tuple[Service, ServicePort]]] = {}
    for service in world.services:
        entry = service.entry
        if entry is not None and not (service.addresses or entry.ranges):
            for port in filter(is_tls, service.ports):
                named.setdefault(port.number, []).append((service, port))
    return tuple(
        _of_port(world, node, number, ranged.get(number, []), named.get(number, []))
        for number in sorted({*ranged, *named})
    )


def _of_port(
    world: World,
    node: Node,
    number: int,
    ranged: list[Place],
    named: list[tuple[Service, ServicePort]],
) -> Listener:
    name = names.listener(ANY_ADDRESS, number)
    listener = Listener(
        name,
        ANY_ADDRESS,
        number,
        tuple(_sni_chains(name, _by_host(world, node, named), set())),
        direction="OUTBOUND",
        bind_to_port=False,
        default_filter_chain=FilterChain(
            f"{name}_unknown", filters.outbound_tcp(node, unknown_cluster(world))
        ),
    )
    return with_chains(
        world, listener, *(chain for place in ranged for chain in _range_chains(world, node, name, place))
    )


def with_chains(world: World, listener: Listener, *more: FilterChain) -> Listener:
    """The listener with these chains before its own, and what it takes to choose among all of them."""
    chains = (*more, *listener.filter_chains)
    inspect_tls = any(chain.match.transport_protocol == "tls" for chain in chains)
    inspect_http = any(chain.match.application_protocols for chain in chains)
    listener = replace(listener, filter_chains=chains, inspect_tls=inspect_tls, inspect_http=inspect_http)
    if not (inspect_tls or inspect_http):
        return listener
    return replace(listener, listener_filters_timeout_s=world.protocol_detection_timeout_s)


def _range_chains(world: World, node: Node, listener: str, place: Place) -> Iterator[FilterChain]:
    """As at an address; what is left over has chains, too, for the default one is for other addresses."""
    service, port, ranges = place.service, place.port, place.ranges
    name, policy = f"{listener}_{ranges[0]}", _policy(world, node, service, port)
    proxy = tcp_proxy(world, node, service, port, policy)
    if is_tls(port):
        yield from _sni_chains(name, sni_proxies(world, node, service, port, policy), set(), ranges)
    if is_auto(port):
        manager = http_manager(world, node, ANY_ADDRESS, port.number, place.route_name)
        yield FilterChain(f"{name}_http", manager, replace(PLAINTEXT_HTTP, destination_ranges=ranges))
        bytes_alone = FilterChainMatch(transport_protocol="raw_buffer", destination_ranges=ranges)
        yield FilterChain(f"{name}_bytes", proxy, bytes_alone)
    yield FilterChain(name, proxy, FilterChainMatch(destination_ranges=ranges))


def _by_host(
    world: World, node: Node, ports: list[tuple[Service, ServicePort]]
) -> Iterator[tuple[tuple[str, ...], TcpProxy]]:
    """What the rules say of each host, then each host as it is: earlier names win."""
    plain: list[tuple[tuple[str, ...], TcpProxy]] = []
    for service, port in ports:
        policy = _policy(world, node, service, port)
        yield from sni_proxies(world, node, service, port, policy)
        plain.append(((service.host,), tcp_proxy(world, node, service, port, policy)))
    yield from plain


def _policy(world: World, node: Node, service: Service, port: ServicePort) -> Policy:
    rule = rule_for(world.config.destination_rules, service, client_of(world, node))
    return policy_for(rule, None, port.number)


def _sni_chains(
    listener: str,
    found: Iterator[tuple[tuple[str, ...], TcpProxy]],
    taken: set[str],
    ranges: tuple[str, ...] = (),
) -> Iterator[FilterChain]:
    """A chain for each set of names; Envoy refuses a name that is there twice, the first has it."""
    for server_names, proxy in found:
        new = tuple(dict.fromkeys(name for name in server_names if name not in taken))
        taken.update(new)
        if new:
            match = FilterChainMatch(None, "tls", _as_envoy_has_it(new), destination_ranges=ranges)
            yield FilterChain(f"{listener}_{new[0]}", proxy, match)


def _as_envoy_has_it(server_names: tuple[str, ...]) -> tuple[str, ...]:
    """Envoy has no "*" for server names: none at all is any."""
    return () if "*" in server_names else server_names
