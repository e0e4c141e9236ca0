"""The world at one moment: what translation reads, and all it reads.

A ``World`` never changes; what several proxies have in common is therefore made once and kept in it
(``shared``), so that the hundredth proxy costs little.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from mesh.galley.snapshot import ConfigSnapshot
from mesh.model.node import Node
from mesh.model.protocol import DETECTION_TIMEOUT_S
from mesh.pilot.registry import proxy_name
from mesh.pilot.services import Instance, Service
from mesh.pilot.visibility import is_exported

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """``services`` are sorted by host; entries may have one host several times, until it is known who looks
    (``seen_by``). ``registry_only``: hosts the mesh does not know cannot be reached.

    ``protocol_detection_timeout_s``: how long a client may be silent where its first bytes decide; 0 = for
    ever.
    """

    config: ConfigSnapshot
    services: tuple[Service, ...] = ()
    registry_only: bool = False
    protocol_detection_timeout_s: float = DETECTION_TIMEOUT_S
    _made: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)

    def shared(self, key: Hashable, make: Callable[[], T]) -> T:
        """What ``make`` answers, made once for each key: the key must hold all that ``make`` depends on."""
        if key not in self._made:
            self._made[key] = make()
        return cast("T", self._made[key])

    def service(self, host: str) -> Service | None:
        """The service of a full host name."""
        return self.shared("services by host", lambda: _by_host(self.services)).get(host)

    def seen_by(self, namespace: str) -> World:
        """The world as callers of that namespace know it: nothing that is not exported to them, and of the
        services of one host their own namespace's, else the first."""

        def look() -> World:
            seen = [one for one in self.services if is_exported(one.export_to, one.namespace, namespace)]
            seen.sort(key=lambda one: (one.host, one.namespace != namespace))
            everywhere = self.shared("instances by workload", self._by_workload)
            mine = tuple(_by_host(seen).values())
            return replace(self, services=mine, _made={"instances by workload": everywhere})

        same = self.shared("seen alike", self._is_seen_alike)
        return self if same else self.shared(("seen by", namespace), look)

    def instances_of(self, node: Node) -> Sequence[tuple[Service, Instance]]:
        """The workload as an instance of each service it is part of, sorted by the services' hosts."""
        return self.shared("instances by workload", self._by_workload).get(proxy_name(node), ())

    def _is_seen_alike(self) -> bool:
        return len(_by_host(self.services)) == len(self.services) and not any(
            service.export_to for service in self.services
        )

    def _by_workload(self) -> dict[str, list[tuple[Service, Instance]]]:
        found: dict[str, list[tuple[Service, Instance]]] = {}
        for service in self.services:
            for instance in service.instances:
                found.setdefault(proxy_name(instance.node), []).append((service, instance))
        return found


def _by_host(services: Iterable[Service]) -> dict[str, Service]:
    """The first of each host."""
    found: dict[str, Service] = {}
    for service in services:
        found.setdefault(service.host, service)
    return found
