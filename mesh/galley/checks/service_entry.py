"""ServiceEntry: hosts, ports and endpoints that fit the way its addresses are found."""

from __future__ import annotations

from ipaddress import ip_network

from mesh.galley.api.service_entry import ServiceEntry
from mesh.galley.checks.common import Problems, check_export_to, check_host, check_labels
from mesh.galley.fault import Loc, Problem, quoted
from mesh.model.names import is_ip

BY_NAME = ("DNS", "DNS_ROUND_ROBIN")


def check_service_entry(entry: ServiceEntry) -> Problems:
    yield from _check_hosts(entry)
    yield from _check_addresses(entry)
    yield from _check_ports(entry)
    yield from _check_endpoints(entry)
    yield from check_export_to(
        entry.spec.export_to, entry.metadata.namespace, ("spec", "exportTo"), nobody=True
    )


def _check_hosts(entry: ServiceEntry) -> Problems:
    spec, loc = entry.spec, ("spec", "hosts")
    if not spec.hosts:
        yield Problem(loc, "expected at least one host, got none")
    for index, host in enumerate(spec.hosts):
        at: Loc = (*loc, index)
        yield from check_host(host, at, wildcard=True)
        if host == "*":
            yield Problem(at, 'expected a host or a wildcard such as "*.example.com", got "*"')
        elif host.startswith("*") and spec.resolution in BY_NAME and not spec.endpoints:
            yield Problem(at, f"expected a host DNS can resolve or endpoints, got {quoted(host)}")


def _check_addresses(entry: ServiceEntry) -> Problems:
    for index, address in enumerate(entry.spec.addresses):
        at: Loc = ("spec", "addresses", index)
        if not (_is_range(address) if "/" in address else is_ip(address)):
            yield Problem(at, f"expected an IP address or a range such as 10.0.0.0/8, got {quoted(address)}")


def _is_range(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _check_ports(entry: ServiceEntry) -> Problems:
    ports, loc = entry.spec.ports, ("spec", "ports")
    if not ports:
        yield Problem(loc, "expected at least one port, got none")
    for index, port in enumerate(ports):
        earlier = ports[:index]
        if any(port.number == other.number for other in earlier):
            yield Problem((*loc, index, "number"), f"the port {port.number} stands twice")
        if any(port.name == other.name for other in earlier):
            yield Problem((*loc, index, "name"), f"the name {quoted(port.name)} stands twice")


def _check_endpoints(entry: ServiceEntry) -> Problems:
    spec, loc = entry.spec, ("spec", "endpoints")
    if spec.endpoints and spec.workload_selector is not None:
        yield Problem(loc, "expected endpoints or workloadSelector, got both")
    if spec.endpoints and spec.resolution == "NONE":
        yield Problem(loc, "expected no endpoints where resolution is NONE")
    if spec.resolution == "STATIC" and not spec.endpoints and spec.workload_selector is None:
        yield Problem(loc, "expected endpoints or workloadSelector where resolution is STATIC, got none")
    if spec.resolution == "DNS_ROUND_ROBIN" and len(spec.endpoints) > 1:
        count = len(spec.endpoints)
        yield Problem(loc, f"expected at most one where resolution is DNS_ROUND_ROBIN, got {count}")
    names = {port.name for port in spec.ports}
    for index, endpoint in enumerate(spec.endpoints):
        at: Loc = (*loc, index)
        yield from _check_address(endpoint.address, spec.resolution, (*at, "address"))
        yield from check_labels(endpoint.labels, (*at, "labels"))
        for name in endpoint.ports:
            if name not in names:
                yield Problem((*at, "ports", name), f"expected the name of a port, got {quoted(name)}")


def _check_address(address: str, resolution: str, loc: Loc) -> Problems:
    if address.startswith("unix:"):
        yield Problem(loc, f"not supported: a Unix socket, {quoted(address)}")
    elif resolution == "STATIC":
        if not is_ip(address):
            yield Problem(loc, f"expected an IP address where resolution is STATIC, got {quoted(address)}")
    elif not is_ip(address):
        yield from check_host(address, loc, wildcard=False)
