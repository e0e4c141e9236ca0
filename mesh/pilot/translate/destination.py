"""Which cluster a destination of a VirtualService means."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.galley.api.http_route import Destination
from mesh.model import names
from mesh.pilot.services import Service
from mesh.pilot.translate.hosts import in_full
from mesh.pilot.world import World


@dataclass(frozen=True, slots=True)
class Target:
    """What the caller asked for: a host and port; ``service`` is None for a host VirtualServices made up."""

    host: str
    port: int
    service: Service | None

    @property
    def decorator(self) -> str:
        return f"{self.host}:{self.port}/*"


def cluster_of(world: World, target: Target, namespace: str, destination: Destination) -> str:
    """A destination without a port means the service's only one, else the one the caller dialled.

    Nothing checks here that the cluster exists: an unknown subset or host is answered 503 NC by the proxy.
    """
    host = in_full(destination.host, namespace)
    service = world.service(host)
    port = target.port
    if destination.port is not None:
        port = destination.port.number
    elif service is not None and len(service.ports) == 1:
        port = service.ports[0].number
    return names.outbound_cluster(port, destination.subset or "", host)
