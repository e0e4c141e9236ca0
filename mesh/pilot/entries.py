"""``ServiceEntry`` objects as services: hosts the platform does not know of.

Rules, beside those of ``services``:

* each of its hosts is a service of its own; a host that a workload or a ``Service`` object has stays theirs,
  and of several entries of one host callers see that of their own namespace, else the first by (namespace,
  name) that is exported to them;
* its endpoints are those it lists and, with a ``workloadSelector``, the workloads of its namespace with
  these labels;
* mutual TLS is for endpoints inside the mesh alone: workloads, those whose label
  ``security.istio.io/tlsMode`` says istio, and, without that label, those with a ``serviceAccount``;
* whoever answers has to be one of its ``subjectAltNames`` or of the accounts of its endpoints, in its own
  namespace; nothing of both is anybody (Istio: ``serviceentry``'s conversion).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network

from mesh.galley.api.service_entry import ServiceEntry, ServiceEntryPort, WorkloadEntry
from mesh.model.endpoint import Locality
from mesh.model.identity import SpiffeId
from mesh.model.node import Node, ServicePort
from mesh.model.protocol import protocol_of
from mesh.pilot.services import Entry, EntryEndpoint, Instance, Resolution, Service, accounts_of

_BY_NAME = ("DNS", "DNS_ROUND_ROBIN")
_TLS_MODE = "security.istio.io/tlsMode"


def with_entries(
    services: Sequence[Service], entries: Iterable[ServiceEntry], nodes: Sequence[Node]
) -> tuple[Service, ...]:
    """The services and those of the entries, sorted by host; an entry's host may be there several times."""
    taken = {service.host for service in services}
    found: dict[tuple[str, str, frozenset[str]], Service] = {}
    for entry in entries:
        for service in _services(entry, nodes):
            if service.host not in taken:
                found.setdefault((service.host, service.namespace, frozenset(service.export_to)), service)
    return tuple(sorted((*services, *found.values()), key=lambda service: service.host))


def _services(entry: ServiceEntry, nodes: Sequence[Node]) -> Iterator[Service]:
    spec, namespace = entry.spec, entry.metadata.namespace
    ports = tuple(_port(port) for port in spec.ports)
    instances = tuple(_instance(entry, node) for node in nodes if _selects(entry, node))
    listed_accounts = (one.service_account for one in spec.endpoints if one.service_account)
    accounts = {
        *spec.subject_alt_names,
        *(str(SpiffeId(namespace, account)) for account in listed_accounts),
        *accounts_of(one.node for one in instances),
    }
    outside = spec.location == "MESH_EXTERNAL"
    # DYNAMIC_DNS is not served yet: galley says so
    resolution: Resolution = "NONE" if spec.resolution == "DYNAMIC_DNS" else spec.resolution
    addresses = tuple(address for address in spec.addresses if "/" not in address)
    ranges = tuple(str(ip_network(one, strict=False)) for one in spec.addresses if "/" in one)
    for host in map(str.lower, spec.hosts):
        listed = spec.endpoints
        if resolution in _BY_NAME and not listed:
            listed = (WorkloadEntry(address=host),)
        endpoints = tuple(_endpoint(entry, one) for one in listed)
        yield Service(
            host,
            namespace,
            host,
            ports,
            instances,
            tuple(sorted(accounts)),
            addresses,
            Entry(resolution, outside, endpoints, ranges),
            spec.export_to,
        )


def _port(port: ServiceEntryPort) -> ServicePort:
    target = port.target_port or port.number
    return ServicePort(port.name, port.number, target, protocol_of(port.name, port.number, port.protocol))


def _endpoint(entry: ServiceEntry, endpoint: WorkloadEntry) -> EntryEndpoint:
    targets = tuple(
        (port.number, endpoint.ports.get(port.name) or port.target_port or port.number)
        for port in entry.spec.ports
    )
    region, _, rest = endpoint.locality.partition("/")
    zone, _, sub_zone = rest.partition("/")
    labels = tuple(sorted(endpoint.labels.items()))
    mtls = endpoint.labels.get(_TLS_MODE, "istio" if endpoint.service_account else "") == "istio"
    return EntryEndpoint(
        endpoint.address, targets, labels, endpoint.weight or 1, mtls, Locality(region, zone, sub_zone)
    )


def _selects(entry: ServiceEntry, node: Node) -> bool:
    selector = entry.spec.workload_selector
    if selector is None or node.namespace != entry.metadata.namespace:
        return False
    return all(node.labels.get(key) == value for key, value in selector.labels.items())


def _instance(entry: ServiceEntry, node: Node) -> Instance:
    """The workload answers on the port's targetPort, or on its own port of that name."""
    own = {port.name: port.target_port for port in node.ports}
    ports = entry.spec.ports
    return Instance(
        node,
        tuple((port.number, port.target_port or own.get(port.name, port.number)) for port in ports),
    )
