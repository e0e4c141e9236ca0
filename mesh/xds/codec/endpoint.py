"""Cluster load assignments."""

from __future__ import annotations

from typing import Any, Final

from envoy.config.core.v3 import base_pb2, health_check_pb2
from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2

from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, Health, Locality, LocalityEndpoints
from mesh.model.names import ISTIO_METADATA, WORKLOAD_METADATA_KEY
from mesh.xds.codec.wire import metadata, metadata_text, socket_address

SOCKET_MATCH = "envoy.transport_socket_match"  # what a cluster's transport_socket_matches look at
TLS_MODE: Final = {"tlsMode": "istio"}

_HEALTH: Final[dict[Health, int]] = {
    "HEALTHY": health_check_pb2.HEALTHY,
    "UNHEALTHY": health_check_pb2.UNHEALTHY,
    "DRAINING": health_check_pb2.DRAINING,
}
_HEALTH_OF: Final[dict[int, Health]] = {number: name for name, number in _HEALTH.items()}


def encode_assignment(assignment: ClusterLoadAssignment) -> Any:
    localities = [_encode_locality(group) for group in assignment.localities]
    return endpoint_pb2.ClusterLoadAssignment(cluster_name=assignment.cluster_name, endpoints=localities)


def decode_assignment(message: Any) -> ClusterLoadAssignment:
    return ClusterLoadAssignment(message.cluster_name, tuple(map(_decode_locality, message.endpoints)))


def _encode_locality(group: LocalityEndpoints) -> Any:
    where = group.locality
    return endpoint_components_pb2.LocalityLbEndpoints(
        locality=base_pb2.Locality(region=where.region, zone=where.zone, sub_zone=where.sub_zone),
        lb_endpoints=[_encode_endpoint(endpoint) for endpoint in group.endpoints],
        load_balancing_weight={"value": group.weight},
        priority=group.priority,
    )


def _decode_locality(message: Any) -> LocalityEndpoints:
    where = message.locality
    return LocalityEndpoints(
        endpoints=tuple(map(_decode_endpoint, message.lb_endpoints)),
        locality=Locality(where.region, where.zone, where.sub_zone),
        weight=message.load_balancing_weight.value,
        priority=message.priority,
    )


def _encode_endpoint(endpoint: Endpoint) -> Any:
    described = metadata(
        {
            SOCKET_MATCH: TLS_MODE if endpoint.mtls else {},
            ISTIO_METADATA: {WORKLOAD_METADATA_KEY: endpoint.workload} if endpoint.workload else {},
        }
    )
    return endpoint_components_pb2.LbEndpoint(
        endpoint={"address": socket_address(endpoint.address, endpoint.port)},
        health_status=_HEALTH[endpoint.health],
        metadata=described,
        load_balancing_weight={"value": endpoint.weight},
    )


def _decode_endpoint(message: Any) -> Endpoint:
    address = message.endpoint.address.socket_address
    return Endpoint(
        address=address.address,
        port=address.port_value,
        mtls=metadata_text(message, SOCKET_MATCH, "tlsMode") == TLS_MODE["tlsMode"],
        workload=metadata_text(message, ISTIO_METADATA, WORKLOAD_METADATA_KEY),
        weight=message.load_balancing_weight.value,
        health=_HEALTH_OF.get(message.health_status, "HEALTHY"),
    )
