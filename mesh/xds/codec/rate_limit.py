"""Local rate limits: of requests, on a route; of connections, before the TCP proxy."""

from __future__ import annotations

from typing import Any, Final

from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2 as http_pb2
from envoy.extensions.filters.network.local_ratelimit.v3 import local_rate_limit_pb2 as network_pb2
from envoy.type.v3 import token_bucket_pb2

from mesh.model.rate_limit import (
    MIN_FILL_INTERVAL_S,
    ConnectionRateLimit,
    LocalRateLimit,
    TokenBucket,
)
from mesh.xds.codec.wire import duration, fraction, pack, percentage, seconds, unpack
from mesh.xds.errors import Rejected

RATE_LIMIT_FILTER: Final = "envoy.filters.http.local_ratelimit"
CONNECTION_LIMIT_FILTER: Final = "envoy.filters.network.local_ratelimit"
_OVERWRITE: Final = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_ON_ROUTES: Final = "http_local_rate_limiter"  # the filter by itself limits nothing, and counts nothing


def encode_filter() -> Any:
    """What stands among a connection manager's filters: the limits are on the routes."""
    return http_pb2.LocalRateLimit(stat_prefix=_ON_ROUTES)


def encode_rate_limit(limit: LocalRateLimit) -> Any:
    message = http_pb2.LocalRateLimit(
        stat_prefix=limit.stat_prefix,
        status={"code": limit.status},
        token_bucket=_encode_bucket(limit.bucket),
        filter_enabled={"default_value": fraction(limit.enabled)},
        filter_enforced={"default_value": fraction(limit.enforced)},
        rate_limited_as_resource_exhausted=limit.resource_exhausted,
    )
    for name, value in limit.response_headers:
        if "%" in value:
            raise Rejected(f"response_headers_to_add: {name}: commands are not supported")
        header = {"key": name, "value": value}
        message.response_headers_to_add.add(
            header=header, append_action=_OVERWRITE, keep_empty_value=not value
        )
    return pack(message)


def decode_rate_limit(packed: Any) -> LocalRateLimit:
    message = unpack(packed, http_pb2.LocalRateLimit)
    return LocalRateLimit(
        stat_prefix=message.stat_prefix,
        bucket=_decode_bucket(message.token_bucket),
        enabled=percentage(message.filter_enabled.default_value),
        enforced=percentage(message.filter_enforced.default_value),
        status=message.status.code,
        response_headers=tuple(
            (option.header.key, option.header.value) for option in message.response_headers_to_add
        ),
        resource_exhausted=message.rate_limited_as_resource_exhausted,
    )


def encode_connection_limit(limit: ConnectionRateLimit) -> Any:
    return network_pb2.LocalRateLimit(
        stat_prefix=limit.stat_prefix, token_bucket=_encode_bucket(limit.bucket)
    )


def decode_connection_limit(packed: Any) -> ConnectionRateLimit:
    message = unpack(packed, network_pb2.LocalRateLimit)
    return ConnectionRateLimit(message.stat_prefix, _decode_bucket(message.token_bucket))


def _encode_bucket(bucket: TokenBucket) -> Any:
    if bucket.fill_interval_s < MIN_FILL_INTERVAL_S:
        raise Rejected(f"token_bucket.fill_interval: expected at least 50ms, got {bucket.fill_interval_s:g}s")
    return token_bucket_pb2.TokenBucket(
        max_tokens=bucket.max_tokens,
        tokens_per_fill={"value": bucket.tokens_per_fill},
        fill_interval=duration(bucket.fill_interval_s),
    )


def _decode_bucket(message: Any) -> TokenBucket:
    return TokenBucket(message.max_tokens, message.tokens_per_fill.value, seconds(message.fill_interval))
