"""The HTTP filters of a connection manager, one pair of functions in a table for each.

Istio's own (``istio.stats``, ``peer_metadata``, ``istio.alpn``) are carried as Istio carries them: a
TypedStruct that names the type a proxy built with it knows. They are for our sidecar; a stock Envoy has
them not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.fault.v3 import fault_pb2
from envoy.extensions.filters.http.grpc_stats.v3 import config_pb2 as grpc_stats_pb2
from envoy.extensions.filters.http.header_to_metadata.v3 import header_to_metadata_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2
from envoy.extensions.filters.http.set_filter_state.v3 import set_filter_state_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from udpa.type.v1 import typed_struct_pb2

from mesh.model import names
from mesh.model.http_filter import (
    Alpn,
    CorsFilter,
    FaultFilter,
    GrpcStats,
    HeaderToMetadata,
    HttpFilter,
    IstioStats,
    LocalRateLimitFilter,
    PeerMetadata,
    Router,
)
from mesh.xds.codec.access_logger import GRPC_STATS_FILTER
from mesh.xds.codec.cors import CORS_FILTER
from mesh.xds.codec.fault import FAULT_FILTER
from mesh.xds.codec.rate_limit import RATE_LIMIT_FILTER, encode_filter
from mesh.xds.codec.wire import TYPE_PREFIX, pack, struct, unpack
from mesh.xds.errors import Rejected

STATS_FILTER: Final = "istio.stats"
_STATS_TYPE: Final = TYPE_PREFIX + "stats.PluginConfig"
_PEER_METADATA_TYPE: Final = TYPE_PREFIX + "io.istio.http.peer_metadata.Config"
# the object of Envoy's filter state that connections to upstreams take their ALPN from, and its value
_ALPN_KEY: Final = "envoy.network.application_protocols"
_ALPN_VALUE: Final = "%CEL(request.protocol == 'HTTP/2' ? '{}' : '{}')%".format(
    ",".join(names.REQUEST_ALPN_H2), ",".join(names.REQUEST_ALPN)
)


class _Family(NamedTuple):
    name: str
    encode: Callable[[Any], Any]  # the model's filter -> its typed configuration
    decode: Callable[[Any], HttpFilter]  # the packed configuration -> the model's filter


def encode_http_filter(http_filter: HttpFilter) -> Any:
    family = _FAMILIES[type(http_filter)]
    return http_connection_manager_pb2.HttpFilter(
        name=family.name, typed_config=pack(family.encode(http_filter))
    )


def decode_http_filter(message: Any) -> HttpFilter:
    family = _BY_NAME.get(message.name)
    if family is None:
        raise Rejected(f"http filter {message.name!r} ({message.typed_config.type_url}) is not supported")
    return family.decode(message.typed_config)


def encode_stats(stats: IstioStats) -> Any:
    """Istio leaves the reporter to the listener's direction; ours is told."""
    return typed_struct_pb2.TypedStruct(type_url=_STATS_TYPE, value=struct({"reporter": stats.reporter}))


def decode_stats(packed: Any) -> IstioStats:
    fields = unpack(packed, typed_struct_pb2.TypedStruct).value.fields
    told = "reporter" in fields and fields["reporter"].string_value == "destination"
    return IstioStats("destination" if told else "source")


def _encode_peer_metadata(peer: PeerMetadata) -> Any:
    side = peer.discover
    methods: dict[str, Any] = {
        f"{side}_discovery": [{"istio_headers": {}}],
        f"{side}_propagation": [{"istio_headers": {}}],
    }
    return typed_struct_pb2.TypedStruct(type_url=_PEER_METADATA_TYPE, value=struct(methods))


def _decode_peer_metadata(packed: Any) -> PeerMetadata:
    fields = unpack(packed, typed_struct_pb2.TypedStruct).value.fields
    return PeerMetadata("downstream" if "downstream_discovery" in fields else "upstream")


def _encode_header_to_metadata(rule: HeaderToMetadata) -> Any:
    config = header_to_metadata_pb2.Config()
    made = config.request_rules.add(header=rule.header, remove=True)
    made.on_header_present.metadata_namespace = rule.namespace
    made.on_header_present.key = rule.key
    return config


def _decode_header_to_metadata(packed: Any) -> HeaderToMetadata:
    rules = unpack(packed, header_to_metadata_pb2.Config).request_rules
    if not rules:
        raise Rejected("header_to_metadata: request_rules: is missing")
    present = rules[0].on_header_present
    return HeaderToMetadata(rules[0].header, present.metadata_namespace, present.key)


def _encode_alpn(_: Alpn) -> Any:
    config = set_filter_state_pb2.Config()
    made = config.on_request_headers.add(object_key=_ALPN_KEY, shared_with_upstream="ONCE")
    made.format_string.text_format_source.inline_string = _ALPN_VALUE
    return config


def _decode_alpn(_: Any) -> Alpn:
    return Alpn()


def _encode_grpc_stats(_: GrpcStats) -> Any:
    return grpc_stats_pb2.FilterConfig(emit_filter_state=True, stats_for_all_methods={"value": False})


def _decode_grpc_stats(_: Any) -> GrpcStats:
    return GrpcStats()


def _encode_fault(_: FaultFilter) -> Any:
    return fault_pb2.HTTPFault()


def _decode_fault(_: Any) -> FaultFilter:
    return FaultFilter()


def _encode_rate_limit(_: LocalRateLimitFilter) -> Any:
    return encode_filter()


def _decode_rate_limit(_: Any) -> LocalRateLimitFilter:
    return LocalRateLimitFilter()


def _encode_cors(_: CorsFilter) -> Any:
    return cors_pb2.Cors()


def _decode_cors(_: Any) -> CorsFilter:
    return CorsFilter()


def _encode_router(_: Router) -> Any:
    return router_pb2.Router()


def _decode_router(_: Any) -> Router:
    return Router()


_FAMILIES: Final[dict[type[HttpFilter], _Family]] = {
    PeerMetadata: _Family("envoy.filters.http.peer_metadata", _encode_peer_metadata, _decode_peer_metadata),
    IstioStats: _Family(STATS_FILTER, encode_stats, decode_stats),
    HeaderToMetadata: _Family(
        "envoy.filters.http.header_to_metadata", _encode_header_to_metadata, _decode_header_to_metadata
    ),
    Alpn: _Family("envoy.filters.http.set_filter_state", _encode_alpn, _decode_alpn),
    GrpcStats: _Family(GRPC_STATS_FILTER, _encode_grpc_stats, _decode_grpc_stats),
    LocalRateLimitFilter: _Family(RATE_LIMIT_FILTER, _encode_rate_limit, _decode_rate_limit),
    FaultFilter: _Family(FAULT_FILTER, _encode_fault, _decode_fault),
    CorsFilter: _Family(CORS_FILTER, _encode_cors, _decode_cors),
    Router: _Family("envoy.filters.http.router", _encode_router, _decode_router),
}
_BY_NAME: Final = {family.name: family for family in _FAMILIES.values()}
