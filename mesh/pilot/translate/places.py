"""Places: an address and port where an application finds one service and no other.

Bytes name no host, so only the address a connection goes to can tell which service it is for. REDIRECT: the
addresses that callers get from DNS, and the ranges of addresses of ServiceEntries. NONE: those the platform
has set aside beside the application.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mesh.model import names
from mesh.model.node import Node, ServicePort
from mesh.pilot.services import Service, is_auto, is_http
from mesh.pilot.world import World


@dataclass(frozen=True, slots=True)
class Place:
    """With ``ranges`` (CIDR) it is these, and no ``address`` by itself."""

    address: str
    service: Service
    port: ServicePort
    ranges: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of its listener."""
        return names.listener(self.address, self.port.number)

    @property
    def route_name(self) -> str:
        """Of its routes, where it has any."""
        return names.service_route(self.service.host, self.port.number)


def places(world: World, node: Node) -> tuple[Place, ...]:
    """One an address and port that is not HTTP for certain; the first service (by host) keeps it."""
    if node.interception == "NONE":
        return _distinct(_set_aside(world, node))
    return world.shared("places", lambda: _distinct(_addressed(world)))


def range_places(world: World, node: Node) -> tuple[Place, ...]:
    """As ``places``; a range is the first service's that has it, the narrower one's what is in two."""
    if node.interception == "NONE":
        return ()
    return world.shared("range places", lambda: tuple(_ranged(world)))


def _ranged(world: World) -> Iterator[Place]:
    taken: set[tuple[int, str]] = set()
    for service in world.services:
        for port in service.ports:
            found = service.entry.ranges if service.entry is not None and not is_http(port) else ()
            new = tuple(dict.fromkeys(one for one in found if (port.number, one) not in taken))
            taken.update((port.number, one) for one in new)
            if new:
                yield Place("", service, port, new)


def _distinct(found: Iterator[Place]) -> tuple[Place, ...]:
    by_name: dict[str, Place] = {}
    for place in found:
        by_name.setdefault(place.name, place)
    return tuple(by_name.values())


def _set_aside(world: World, node: Node) -> Iterator[Place]:
    for host, address in sorted(node.outbound_addresses.items()):
        service = world.service(host)
        if service is not None:
            yield from (Place(address, service, port) for port in service.ports if not is_http(port))


def _addressed(world: World) -> Iterator[Place]:
    for service in world.services:
        for port in service.ports:
            if not is_http(port):
                yield from (Place(address, service, port) for address in _addresses(service, port))


def _addresses(service: Service, port: ServicePort) -> list[str]:
    """The addresses callers get from DNS: the service's own, else its workloads'."""
    workloads = {one.node.address for one in service.instances if one.target(port.number) == port.number}
    return sorted({*service.addresses, *workloads})


def has_no_place(service: Service, port: ServicePort) -> bool:
    """Whether only its name can tell the service, as far as its callers say one."""
    entry = service.entry
    if entry is None or not is_auto(port):
        return False
    return not (service.addresses or entry.ranges or service.instances)
