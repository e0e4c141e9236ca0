"""The table of resource types: model value <-> Any, for everything that ADS carries.

encode(cluster)  -> Any          deterministic: equal values give equal bytes
decode(any)      -> Cluster ...  raises Rejected, naming resource and field
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment
from mesh.model.listener import Listener
from mesh.model.route import RouteConfiguration
from mesh.model.tls import Secret
from mesh.xds.codec.cluster import decode_cluster, encode_cluster
from mesh.xds.codec.endpoint import decode_assignment, encode_assignment
from mesh.xds.codec.listener import decode_listener, encode_listener
from mesh.xds.codec.route import decode_route_configuration, encode_route_configuration
from mesh.xds.codec.secret import decode_named, encode_named
from mesh.xds.codec.strict import lost_field, not_finite
from mesh.xds.codec.wire import TYPE_PREFIX, pack, unpack
from mesh.xds.errors import Rejected

Resource = Cluster | ClusterLoadAssignment | Listener | RouteConfiguration | Secret


class _Family(NamedTuple):
    word: str  # how errors call it
    message: Any
    encode: Callable[[Any], Any]
    decode: Callable[[Any], Resource]


def _type_url(message: Any) -> str:
    return TYPE_PREFIX + str(message.DESCRIPTOR.full_name)


# by the short names of meshctl proxy-status
TYPE_URLS: Final = {
    "CDS": _type_url(cluster_pb2.Cluster),
    "EDS": _type_url(endpoint_pb2.ClusterLoadAssignment),
    "SDS": _type_url(secret_pb2.Secret),
    "LDS": _type_url(listener_pb2.Listener),
    "RDS": _type_url(route_pb2.RouteConfiguration),
}

_FAMILIES: Final[dict[type[Resource], _Family]] = {
    Cluster: _Family("cluster", cluster_pb2.Cluster, encode_cluster, decode_cluster),
    ClusterLoadAssignment: _Family(
        "endpoints", endpoint_pb2.ClusterLoadAssignment, encode_assignment, decode_assignment
    ),
    Secret: _Family("secret", secret_pb2.Secret, encode_named, decode_named),
    Listener: _Family("listener", listener_pb2.Listener, encode_listener, decode_listener),
    RouteConfiguration: _Family(
        "route", route_pb2.RouteConfiguration, encode_route_configuration, decode_route_configuration
    ),
}
_BY_TYPE_URL: Final = {_type_url(family.message): family for family in _FAMILIES.values()}


def encode(resource: Resource) -> Any:
    """Raises Rejected when the value contradicts itself (a redirect with both path and prefix ...)."""
    return pack(_FAMILIES[type(resource)].encode(resource))


def decode(packed: Any) -> Resource:
    """Raises Rejected for a type, a field or a value that the model cannot hold."""
    family = _BY_TYPE_URL.get(packed.type_url)
    if family is None:
        raise Rejected(f"{packed.type_url or 'a resource without type'} is not supported")
    message = unpack(packed, family.message)
    try:
        resource = family.decode(message)
        kept = family.encode(resource)
    except Rejected as rejected:
        raise Rejected(f"{family.word} {_name(message)}: {rejected}") from rejected
    except (ValueError, OverflowError) as error:  # a number that is none, where one is reckoned with
        raise Rejected(f"{family.word} {_name(message)}: {not_finite(message) or error}") from error
    if pack(kept).value != packed.value and (lost := lost_field(message, kept)):
        raise Rejected(f"{family.word} {_name(message)}: {lost}")
    return resource


def resource_name(resource: Resource) -> str:
    """The name it is asked for by: an assignment's is its cluster's."""
    return resource.cluster_name if isinstance(resource, ClusterLoadAssignment) else resource.name


def _name(message: Any) -> str:
    return str(getattr(message, "name", None) or getattr(message, "cluster_name", ""))
