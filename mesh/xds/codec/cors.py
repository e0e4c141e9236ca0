"""CORS: the per-route configuration of Envoy's cors filter."""

from __future__ import annotations

from typing import Any, Final

from envoy.extensions.filters.http.cors.v3 import cors_pb2
from google.protobuf import wrappers_pb2

from mesh.model.route import CorsPolicy
from mesh.xds.codec.route_match import decode_string, encode_string
from mesh.xds.codec.wire import pack, unpack

CORS_FILTER: Final = "envoy.filters.http.cors"
_TEXTS: Final = ("allow_methods", "allow_headers", "expose_headers", "max_age")


def encode_cors(policy: CorsPolicy) -> Any:
    """Without ``filter_enabled`` the filter is on for every request."""
    message = cors_pb2.CorsPolicy(
        allow_origin_string_match=map(encode_string, policy.allow_origins),
        allow_credentials=_encode_bool(policy.allow_credentials),
        forward_not_matching_preflights=_encode_bool(policy.forward_unmatched_preflights),
        **{name: getattr(policy, name) for name in _TEXTS},
    )
    return pack(message)


def decode_cors(packed: Any) -> CorsPolicy:
    message = unpack(packed, cors_pb2.CorsPolicy)
    return CorsPolicy(
        tuple(map(decode_string, message.allow_origin_string_match)),
        **{name: getattr(message, name) for name in _TEXTS},
        allow_credentials=_decode_bool(message, "allow_credentials"),
        forward_unmatched_preflights=_decode_bool(message, "forward_not_matching_preflights"),
    )


def _encode_bool(value: bool | None) -> Any:
    return None if value is None else wrappers_pb2.BoolValue(value=value)


def _decode_bool(message: Any, name: str) -> bool | None:
    return bool(getattr(message, name).value) if message.HasField(name) else None
