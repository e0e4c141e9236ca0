"""The mesh's configuration at one generation: what galley hands on. Frozen; a new one replaces it whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from mesh.galley.api.base import ApiObject
from mesh.galley.api.destination_rule import DestinationRule
from mesh.galley.api.gateway import Gateway
from mesh.galley.api.health_check import HealthCheck
from mesh.galley.api.local_rate_limit import LocalRateLimit
from mesh.galley.api.peer_authentication import PeerAuthentication
from mesh.galley.api.secret import Secret
from mesh.galley.api.service import Service
from mesh.galley.api.service_entry import ServiceEntry
from mesh.galley.api.virtual_service import VirtualService

T = TypeVar("T", bound=ApiObject)


@dataclass(frozen=True, slots=True)
class ConfigSnapshot:
    """Each tuple is sorted by (namespace, name). ``generation`` grows by one with each change of content."""

    generation: int = 0
    virtual_services: tuple[VirtualService, ...] = ()
    destination_rules: tuple[DestinationRule, ...] = ()
    peer_authentications: tuple[PeerAuthentication, ...] = ()
    services: tuple[Service, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    service_entries: tuple[ServiceEntry, ...] = ()
    health_checks: tuple[HealthCheck, ...] = ()
    local_rate_limits: tuple[LocalRateLimit, ...] = ()
    secrets: tuple[Secret, ...] = ()


def make_snapshot(objects: Iterable[ApiObject], generation: int = 0) -> ConfigSnapshot:
    """Sort any objects into a snapshot; the order they come in does not matter."""
    by_name = sorted(objects, key=lambda each: (each.metadata.namespace, each.metadata.name))
    return ConfigSnapshot(
        generation=generation,
        virtual_services=_of(VirtualService, by_name),
        destination_rules=_of(DestinationRule, by_name),
        peer_authentications=_of(PeerAuthentication, by_name),
        services=_of(Service, by_name),
        gateways=_of(Gateway, by_name),
        service_entries=_of(ServiceEntry, by_name),
        health_checks=_of(HealthCheck, by_name),
        local_rate_limits=_of(LocalRateLimit, by_name),
        secrets=_of(Secret, by_name),
    )


def _of(model: type[T], objects: Iterable[ApiObject]) -> tuple[T, ...]:
    return tuple(each for each in objects if isinstance(each, model))
