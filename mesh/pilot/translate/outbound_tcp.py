"""Outbound listeners for bytes (interception REDIRECT): by address, and by SNI where there is no address."""

from __future__ import annotations

from collections.abc import Iterator

from mesh.model import names
from mesh.model.listener import FilterChain, FilterChainMatch, Listener, TcpProxy
from mesh.model.node import Node, ServicePort
from mesh.pilot.services import Service, is_http
from mesh.pilot.translate import filters
from mesh.pilot.translate.destination_rule import policy_for, rule_for
from mesh.pilot.translate.inbound import ANY_ADDRESS
from mesh.pilot.translate.l4_route import sni_proxies, tcp_proxy
from mesh.pilot.world import World

_TLS = ("TLS", "HTTPS")


def l4_listeners(world: World, node: Node) -> Iterator[Listener]:
    """Those of addresses, then those by SNI."""
    yield from _by_address(world, node)
    yield from _by_sni(world, node)


def unknown_cluster(world: World) -> str:
    """Where bytes go that are meant for nothing the mesh knows (outbound traffic policy)."""
    return names.BLACK_HOLE_CLUSTER if world.registry_only else names.PASSTHROUGH_CLUSTER


def proxy_to(cluster: str) -> TcpProxy:
    return TcpProxy(cluster, cluster, filters.TCP_ACCESS_LOGS)


def _by_address(world: World, node: Node) -> Iterator[Listener]:
    """One for each address of each TCP service; the first service (by host) that has an address keeps it."""
    taken: set[str] = set()
    for service in world.services:
        for port in service.ports:
            for address in _addresses(service, port):
                name = names.listener(address, port.number)
                if name not in taken:
                    taken.add(name)
                    yield _at_address(world, node, name, address, service, port)


def _addresses(service: Service, port: ServicePort) -> list[str]:
    """The addresses callers get from DNS: the service's own, else its workloads'."""
    if is_http(port):
        return []
    workloads = {one.node.address for one in service.instances if one.target(port.number) == port.number}
    return sorted({*service.addresses, *workloads})


def _at_address(
    world: World, node: Node, name: str, address: str, service: Service, port: ServicePort
) -> Listener:
    """What no SNI rule takes goes as the ``tcp`` rules say."""
    policy = policy_for(rule_for(world.config.destination_rules, service, node.namespace), None, port.number)
    by_sni = sni_proxies(world, node, service, port, policy) if port.protocol in _TLS else ()
    chains = tuple(_sni_chains(name, by_sni, set()))
    rest = FilterChain(name, tcp_proxy(world, node, service, port, policy))
    return Listener(
        name,
        address,
        port.number,
        (*chains, rest),
        direction="OUTBOUND",
        bind_to_port=False,
        inspect_tls=bool(chains),
    )


def _by_sni(world: World, node: Node) -> Iterator[Listener]:
    """One a TLS port of ServiceEntries without addresses: only the SNI can tell their hosts apart."""
    found: dict[int, list[tuple[Service, ServicePort]]] = {}
    for service in world.services:
        for port in service.ports:
            if service.entry is not None and not service.addresses and port.protocol in _TLS:
                found.setdefault(port.number, []).append((service, port))
    for number in sorted(found):
        name = names.listener(ANY_ADDRESS, number)
        yield Listener(
            name,
            ANY_ADDRESS,
            number,
            tuple(_sni_chains(name, _by_host(world, node, found[number]), set())),
            direction="OUTBOUND",
            bind_to_port=False,
            inspect_tls=True,
            default_filter_chain=FilterChain(f"{name}_unknown", proxy_to(unknown_cluster(world))),
        )


def _by_host(
    world: World, node: Node, ports: list[tuple[Service, ServicePort]]
) -> Iterator[tuple[tuple[str, ...], TcpProxy]]:
    """What the rules say of each host, then each host as it is: earlier names win."""
    plain: list[tuple[tuple[str, ...], TcpProxy]] = []
    for service, port in ports:
        rule = rule_for(world.config.destination_rules, service, node.namespace)
        policy = policy_for(rule, None, port.number)
        yield from sni_proxies(world, node, service, port, policy)
        plain.append(((service.host,), tcp_proxy(world, node, service, port, policy)))
    yield from plain


def _sni_chains(
    listener: str, found: Iterator[tuple[tuple[str, ...], TcpProxy]] | tuple[()], taken: set[str]
) -> Iterator[FilterChain]:
    """A chain for each set of names; Envoy refuses a name that is there twice, the first has it."""
    for server_names, proxy in found:
        new = tuple(dict.fromkeys(name for name in server_names if name not in taken))
        taken.update(new)
        if new:
            match = FilterChainMatch(transport_protocol="tls", server_names=_as_envoy_has_it(new))
            yield FilterChain(f"{listener}_{new[0]}", proxy, match)


def _as_envoy_has_it(server_names: tuple[str, ...]) -> tuple[str, ...]:
    """Envoy has no "*" for server names: none at all is any."""
    return () if "*" in server_names else server_names
