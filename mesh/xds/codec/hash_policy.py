"""What of a request its endpoint is chosen by: the hash policies of a route."""

from __future__ import annotations

from typing import Any

from envoy.config.route.v3 import route_components_pb2

from mesh.model.route import HashPolicy
from mesh.xds.codec.wire import duration, seconds
from mesh.xds.errors import Rejected


def encode_hash_policy(policy: HashPolicy) -> Any:
    message = route_components_pb2.RouteAction.HashPolicy()
    match policy.kind:
        case "header":
            message.header.header_name = policy.name
        case "cookie":
            message.cookie.name = policy.name
            message.cookie.path = policy.path
            if policy.ttl_s is not None:
                message.cookie.ttl.CopyFrom(duration(policy.ttl_s))
        case "source_ip":
            message.connection_properties.source_ip = True
        case "query":
            message.query_parameter.name = policy.name
    return message


def decode_hash_policy(message: Any) -> HashPolicy:
    match message.WhichOneof("policy_specifier"):
        case "header":
            return HashPolicy("header", message.header.header_name)
        case "cookie":
            cookie = message.cookie
            ttl_s = seconds(cookie.ttl) if cookie.HasField("ttl") else None
            return HashPolicy("cookie", cookie.name, cookie.path, ttl_s)
        case "connection_properties":
            return HashPolicy("source_ip")
        case "query_parameter":
            return HashPolicy("query", message.query_parameter.name)
        case other:
            raise Rejected(f"hash_policy: {other or 'nothing'} is not supported")
