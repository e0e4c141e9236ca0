"""What is wrong inside one object although its shape is right. Pure.

Errors keep the object out; warnings are shown and the object is taken.
"""

from __future__ import annotations

from mesh.galley.api.base import ApiObject
from mesh.galley.api.destination_rule import DestinationRule
from mesh.galley.api.gateway import Gateway
from mesh.galley.api.health_check import HealthCheck
from mesh.galley.api.local_rate_limit import LocalRateLimit
from mesh.galley.api.metadata import Metadata
from mesh.galley.api.peer_authentication import PeerAuthentication
from mesh.galley.api.secret import Secret
from mesh.galley.api.service import Service
from mesh.galley.api.service_entry import ServiceEntry
from mesh.galley.api.virtual_service import VirtualService
from mesh.galley.checks.common import Problems, check_dns_label, check_labels, check_name
from mesh.galley.checks.destination_rule import check_destination_rule
from mesh.galley.checks.gateway import check_gateway
from mesh.galley.checks.health_check import check_health_check
from mesh.galley.checks.local_rate_limit import check_local_rate_limit
from mesh.galley.checks.peer_authentication import check_peer_authentication
from mesh.galley.checks.secret import check_secret
from mesh.galley.checks.service import check_service
from mesh.galley.checks.service_entry import check_service_entry
from mesh.galley.checks.virtual_service import check_virtual_service
from mesh.galley.fault import Problem


def validate(candidate: ApiObject) -> tuple[Problem, ...]:
    """Every problem, in the order of the object's fields."""
    return (*_check_metadata(candidate.metadata), *_check_spec(candidate))


def _check_metadata(metadata: Metadata) -> Problems:
    yield from check_name(metadata.name, ("metadata", "name"))
    yield from check_dns_label(metadata.namespace, ("metadata", "namespace"))
    yield from check_labels(metadata.labels, ("metadata", "labels"))


def _check_spec(candidate: ApiObject) -> Problems:
    match candidate:
        case VirtualService():
            yield from check_virtual_service(candidate)
        case DestinationRule():
            yield from check_destination_rule(candidate)
        case PeerAuthentication():
            yield from check_peer_authentication(candidate)
        case Service():
            yield from check_service(candidate)
        case Secret():
            yield from check_secret(candidate)
        case Gateway():
            yield from check_gateway(candidate)
        case ServiceEntry():
            yield from check_service_entry(candidate)
        case HealthCheck():
            yield from check_health_check(candidate)
        case LocalRateLimit():
            yield from check_local_rate_limit(candidate)
        case _:  # kinds that are read and not served: their shape is all that is asked
            return
