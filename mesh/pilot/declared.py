"""``Service`` objects as pilot's own declarations."""

from __future__ import annotations

from collections.abc import Iterable

from mesh.galley.api.service import Service, ServicePort
from mesh.model.node import ServicePort as Port
from mesh.model.protocol import protocol_of
from mesh.pilot.services import DeclaredService

HEADLESS = "None"


def declared_services(objects: Iterable[Service]) -> tuple[DeclaredService, ...]:
    """The services they declare. ExternalName only gives a DNS name another one: it stays out of the mesh."""
    return tuple(_declared(found) for found in objects if found.spec.type != "ExternalName")


def _declared(service: Service) -> DeclaredService:
    spec = service.spec
    carried = [port for port in spec.ports if port.protocol == "TCP"]  # a sidecar has no other transport
    given = {spec.cluster_ip, *spec.cluster_ips, *spec.external_ips}
    return DeclaredService(
        service.metadata.name,
        service.metadata.namespace,
        tuple(_port(port) for port in carried),
        tuple(port.target_port or port.port for port in carried),
        tuple(sorted(spec.selector.items())),
        tuple(sorted(address for address in given if address and address != HEADLESS)),
    )


def _port(port: ServicePort) -> Port:
    """A target port given by name differs from workload to workload; here it is the port's own number."""
    target = port.target_port if isinstance(port.target_port, int) else port.port
    return Port(port.name, port.port, target, protocol_of(port.name, port.port, port.app_protocol or ""))
