"""Services: a name callers use, its ports, and the workloads behind it.

Two sources. A workload *claims* a service (node metadata ``SERVICE``): its name, its ports. Or a ``Service``
object *selects* workloads by their labels, as in Kubernetes. Rules:

* a ``Service`` object decides alone over its host: its ports, and, where it has a selector, exactly the
  selected workloads of its namespace (without one: the claiming ones);
* workloads that claim one service with different ports: every port number is served, by those who have it;
  the first workload in name order says its name and protocol;
* a claimed service outlives its workloads: with none left its callers get 503, not "unknown host".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from mesh.model import names, protocol
from mesh.model.endpoint import Locality
from mesh.model.node import Node, ServicePort

Resolution = Literal["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN"]
NO_LOCALITY = Locality()


@dataclass(frozen=True, slots=True)
class ClaimedService:
    """What the workloads of one service say of it; ``accounts`` are SPIFFE ids, those last seen."""

    name: str
    namespace: str
    ports: tuple[ServicePort, ...]
    accounts: tuple[str, ...]

    @property
    def host(self) -> str:
        return names.fqdn(self.name, self.namespace)


@dataclass(frozen=True, slots=True)
class Instance:
    """A workload of a service; ``targets`` pairs the service's port numbers with the workload's ports."""

    node: Node
    targets: tuple[tuple[int, int], ...]

    def target(self, number: int) -> int | None:
        """The port of the workload that answers for this port of the service."""
        return next((target for port, target in self.targets if port == number), None)


@dataclass(frozen=True, slots=True)
class EntryEndpoint:
    """An address (or, with DNS, a name) a ServiceEntry lists; ``targets`` as those of an instance."""

    address: str
    targets: tuple[tuple[int, int], ...]
    labels: tuple[tuple[str, str], ...] = ()
    weight: int = 1
    mtls: bool = False
    locality: Locality = NO_LOCALITY


@dataclass(frozen=True, slots=True)
class Entry:
    """What a ServiceEntry says of its services: how addresses are found, and whether they are outside.

    ``ranges`` (CIDR) are addresses that callers may dial, beside those of the service.
    """

    resolution: Resolution
    external: bool = True
    endpoints: tuple[EntryEndpoint, ...] = ()
    ranges: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """``host`` is the full name. ``addresses`` are virtual IPs callers may dial, where there are any.

    ``entry`` is what a ServiceEntry's service has beside the rest, None for all others; ``export_to`` says
    where it is seen, by default everywhere.
    """

    name: str
    namespace: str
    host: str
    ports: tuple[ServicePort, ...]
    instances: tuple[Instance, ...] = ()
    accounts: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    entry: Entry | None = None
    export_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeclaredService:
    """A ``Service`` object: ``targets`` holds each port's targetPort, a number or a port's name."""

    name: str
    namespace: str
    ports: tuple[ServicePort, ...]
    targets: tuple[int | str, ...]
    selector: tuple[tuple[str, str], ...] = ()
    addresses: tuple[str, ...] = ()


def is_http(port: ServicePort) -> bool:
    return port.protocol in protocol.HTTP


def is_http2(port: ServicePort) -> bool:
    """Whether the port's name promises HTTP/2, so that it is spoken without asking."""
    return port.protocol in protocol.HTTP2


def is_auto(port: ServicePort) -> bool:
    """Whether each connection says for itself if it is HTTP."""
    return port.protocol == protocol.AUTO


def is_tls(port: ServicePort) -> bool:
    return port.protocol in protocol.TLS


def claimed_services(
    nodes: Iterable[Node], remembered: Iterable[ClaimedService]
) -> tuple[ClaimedService, ...]:
    """The services these workloads claim, and those remembered that nobody claims now; sorted by host."""
    found = {service.host: service for service in remembered}
    by_host: dict[str, list[Node]] = {}
    for node in sorted(nodes, key=_by_name):
        if node.service:
            by_host.setdefault(names.fqdn(node.service, node.namespace), []).append(node)
    for host, members in by_host.items():
        first = members[0]
        found[host] = ClaimedService(first.service, first.namespace, _ports_of(members), accounts_of(members))
    return tuple(found[host] for host in sorted(found))


def services(
    nodes: Sequence[Node], claimed: Iterable[ClaimedService], declared: Iterable[DeclaredService]
) -> tuple[Service, ...]:
    """Every service with its workloads, sorted by host."""
    nodes = sorted(nodes, key=_by_name)
    found = {service.host: _from_claims(service, nodes) for service in claimed}
    for declaration in declared:
        service = _from_object(
            declaration, nodes, found.get(names.fqdn(declaration.name, declaration.namespace))
        )
        found[service.host] = service
    return tuple(found[host] for host in sorted(found))


def accounts_of(nodes: Iterable[Node]) -> tuple[str, ...]:
    return tuple(sorted({str(node.spiffe_id) for node in nodes}))


def _from_claims(service: ClaimedService, nodes: Sequence[Node]) -> Service:
    instances = tuple(
        Instance(node, tuple((port.number, port.target_port) for port in node.ports))
        for node in nodes
        if _claims(node, service.name, service.namespace)
    )
    return Service(service.name, service.namespace, service.host, service.ports, instances, service.accounts)


def _from_object(declared: DeclaredService, nodes: Sequence[Node], claimed: Service | None) -> Service:
    instances = tuple(
        Instance(node, tuple(_targets(declared, node))) for node in nodes if _selects(declared, node)
    )
    accounts = accounts_of(instance.node for instance in instances)
    if not accounts and claimed is not None:
        accounts = claimed.accounts
    host = names.fqdn(declared.name, declared.namespace)
    return Service(
        declared.name, declared.namespace, host, declared.ports, instances, accounts, declared.addresses
    )


def _targets(declared: DeclaredService, node: Node) -> Iterable[tuple[int, int]]:
    by_name = {port.name: port.target_port for port in node.ports}
    for port, target in zip(declared.ports, declared.targets, strict=True):
        number = by_name.get(target) if isinstance(target, str) else target
        if number is not None:
            yield port.number, number


def _selects(declared: DeclaredService, node: Node) -> bool:
    if node.namespace != declared.namespace:
        return False
    if not declared.selector:
        return _claims(node, declared.name, declared.namespace)
    return all(node.labels.get(key) == value for key, value in declared.selector)


def _claims(node: Node, name: str, namespace: str) -> bool:
    return node.service == name and node.namespace == namespace


def _ports_of(members: Iterable[Node]) -> tuple[ServicePort, ...]:
    ports: dict[int, ServicePort] = {}
    for node in members:
        for port in node.ports:
            ports.setdefault(port.number, port)
    return tuple(ports[number] for number in sorted(ports))


def _by_name(node: Node) -> tuple[str, str]:
    return node.namespace, node.name
