"""VirtualService as a whole."""

from __future__ import annotations

from mesh.galley.api.virtual_service import TcpRoute, TlsRoute, VirtualService
from mesh.galley.checks.annotations import check_annotations
from mesh.galley.checks.common import Problems, check_export_to, check_host, check_labels
from mesh.galley.checks.http_route import check_destinations, check_http_route
from mesh.galley.checks.reachability import check_reachability
from mesh.galley.fault import Loc, Problem, quoted


def check_virtual_service(service: VirtualService) -> Problems:
    spec, loc = service.spec, ("spec",)
    yield from check_annotations(service.metadata, service.kind)
    yield from _check_hosts(service)
    yield from check_export_to(spec.export_to, service.metadata.namespace, (*loc, "exportTo"))
    if not (spec.http or spec.tls or spec.tcp):
        yield Problem(loc, "expected http, tls or tcp rules, got none")
    for index, rule in enumerate(spec.http):
        yield from check_http_route(rule, (*loc, "http", index))
    yield from check_reachability(spec.http, (*loc, "http"))
    yield from _check_l4(service)


def _check_hosts(service: VirtualService) -> Problems:
    """One without hosts is a delegate: rules that others take over, with nothing beside them."""
    hosts, spec = service.spec.hosts, service.spec
    if not hosts and (spec.gateways or spec.tls or spec.tcp or not spec.http):
        yield Problem(
            ("spec", "hosts"), "expected at least one host, got none (a delegate has only http rules)"
        )
    for index, rule in enumerate(spec.http):
        if rule.delegate is not None and not hosts:
            yield Problem(
                ("spec", "http", index, "delegate"), "expected no delegate: a delegate has none itself"
            )
    for index, host in enumerate(hosts):
        at: Loc = ("spec", "hosts", index)
        yield from check_host(host, at, wildcard=True, address=True)
        if host in hosts[:index]:
            yield Problem(at, f"the host {quoted(host)} stands twice")
    if "*" in hosts and service.spec.in_mesh:
        at = ("spec", "hosts", hosts.index("*"))
        yield Problem(at, 'expected hosts by name in the mesh, got "*" (only gateways take it)')


def _check_l4(service: VirtualService) -> Problems:
    rules: list[tuple[TlsRoute | TcpRoute, Loc]] = []
    rules += [(rule, ("spec", "tls", index)) for index, rule in enumerate(service.spec.tls)]
    rules += [(rule, ("spec", "tcp", index)) for index, rule in enumerate(service.spec.tcp)]
    for rule, at in rules:
        if not rule.route:
            yield Problem((*at, "route"), "expected at least one destination, got none")
        yield from check_destinations(rule.route, (*at, "route"))
        for index, match in enumerate(rule.match):
            yield from check_labels(match.source_labels, (*at, "match", index, "sourceLabels"))
    for index, tls in enumerate(service.spec.tls):
        for position, match in enumerate(tls.match):
            where = ("spec", "tls", index, "match", position, "sniHosts")
            for number, host in enumerate(match.sni_hosts):
                yield from check_host(host, (*where, number), wildcard=True)
