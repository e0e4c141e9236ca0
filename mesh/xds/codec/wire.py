"""Small parts of Envoy's messages that every family uses: Any, durations, config sources, metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envoy.config.core.v3 import address_pb2, base_pb2, config_source_pb2, grpc_service_pb2
from envoy.type.v3 import percent_pb2
from google.protobuf import any_pb2, duration_pb2, struct_pb2
from google.protobuf.message import DecodeError

from mesh.model.names import AGENT_CLUSTER
from mesh.xds.errors import Rejected

TYPE_PREFIX = "type.googleapis.com/"
_NANOS = 1_000_000_000
_PER_PERCENT = 10_000  # of Envoy's MILLION denominator: percentages are kept to 0.0001
_V3 = config_source_pb2.ApiVersion.Value("V3")


def pack(message: Any) -> Any:
    """Wrap a message; equal messages give equal bytes (map entries are sorted)."""
    packed = any_pb2.Any()
    packed.Pack(message, deterministic=True)
    return packed


def unpack(packed: Any, message_class: Any) -> Any:
    """Raises Rejected when the Any holds another type or bytes that do not parse."""
    message = message_class()
    try:
        fits = packed.Unpack(message)
    except DecodeError as error:
        raise Rejected(f"{packed.type_url}: malformed protobuf") from error
    if not fits:
        raise Rejected(f"expected {message.DESCRIPTOR.full_name}, got {packed.type_url or 'nothing'}")
    return message


def duration(seconds: float) -> Any:
    """Rounded to the nanosecond."""
    whole, nanos = divmod(round(seconds * _NANOS), _NANOS)
    return duration_pb2.Duration(seconds=whole, nanos=nanos)


def seconds(message: Any) -> float:
    """Exact inverse of ``duration``: one correctly rounded division."""
    return float((message.seconds * _NANOS + message.nanos) / _NANOS)


def fraction(percentage: float) -> Any:
    """A percentage (0..100) as Envoy's FractionalPercent."""
    return percent_pb2.FractionalPercent(
        numerator=round(percentage * _PER_PERCENT), denominator=percent_pb2.FractionalPercent.MILLION
    )


def percentage(message: Any) -> float:
    """The inverse of ``fraction``; another denominator than ours is left to the strict check."""
    return float(message.numerator / _PER_PERCENT)


def socket_address(address: str, port: int) -> Any:
    return address_pb2.Address(socket_address=address_pb2.SocketAddress(address=address, port_value=port))


def cidr(text: str) -> Any:
    """``10.0.0.0/8`` as Envoy's CidrRange."""
    address, _, length = text.partition("/")
    return address_pb2.CidrRange(address_prefix=address, prefix_len={"value": int(length)})


def cidr_text(message: Any) -> str:
    return f"{message.address_prefix}/{message.prefix_len.value}"


def ads_source() -> Any:
    """Over the same ADS stream. Envoy's initial fetch timeout (15 s) stays, as a last resort."""
    return config_source_pb2.ConfigSource(ads={}, resource_api_version=_V3)


def sds_source() -> Any:
    """Secrets come from the agent beside the proxy, waited for as long as it takes, as in Istio."""
    service = grpc_service_pb2.GrpcService(envoy_grpc={"cluster_name": AGENT_CLUSTER})
    api = config_source_pb2.ApiConfigSource(
        api_type=config_source_pb2.ApiConfigSource.GRPC,
        transport_api_version=_V3,
        grpc_services=[service],
        set_node_on_first_message_only=True,
    )
    return config_source_pb2.ConfigSource(
        api_config_source=api, initial_fetch_timeout=duration(0), resource_api_version=_V3
    )


def metadata(namespaces: Mapping[str, Mapping[str, Any]]) -> Any:
    """Filter metadata; namespaces that hold nothing are left out, None when all are empty."""
    filled = {name: struct(fields) for name, fields in namespaces.items() if fields}
    return base_pb2.Metadata(filter_metadata=filled) if filled else None


def struct(fields: Mapping[str, Any]) -> Any:
    made = struct_pb2.Struct()
    made.update(fields)
    return made


def metadata_text(message: Any, namespace: str, key: str) -> str:
    """A string out of filter metadata; "" when it is not there."""
    fields = message.metadata.filter_metadata
    if namespace not in fields or key not in fields[namespace].fields:
        return ""
    return str(fields[namespace].fields[key].string_value)
