"""Local rate limits on the wire: the real Envoy takes them; what the model cannot hold is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2 as http_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.filters.network.local_ratelimit.v3 import local_rate_limit_pb2 as network_pb2

from mesh.model.http_filter import LocalRateLimitFilter, Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener, TcpProxy
from mesh.model.rate_limit import ConnectionRateLimit, LocalRateLimit, TokenBucket
from mesh.model.route import DirectResponse, Route, RouteConfiguration, RouteMatch, VirtualHost
from mesh.xds.codec.codec import decode, encode
from mesh.xds.codec.rate_limit import CONNECTION_LIMIT_FILTER, RATE_LIMIT_FILTER
from mesh.xds.codec.wire import pack, unpack
from mesh.xds.errors import Rejected

BUCKET = TokenBucket(5, 5, 60.0)
LIMIT = LocalRateLimit("a.b", BUCKET, 50, 12.5, 503, (("x-a", "b"), ("x-c", "")), resource_exhausted=True)
CONNECTIONS = ConnectionRateLimit("a.b", BUCKET)


def routes(limit: LocalRateLimit = LIMIT) -> RouteConfiguration:
    route = Route(RouteMatch(), DirectResponse(200), rate_limit=limit)
    return RouteConfiguration("r", (VirtualHost("v", ("*",), (route,)),))


def tcp(limit: ConnectionRateLimit = CONNECTIONS) -> Listener:
    return Listener("l", "127.0.0.1", 0, (FilterChain("tcp", TcpProxy("t", "c", rate_limit=limit)),))


def test_the_real_envoy_takes_them(envoy_says: Any) -> None:
    manager = HttpConnectionManager("h", (LocalRateLimitFilter(), Router()), route_config=routes())
    http = Listener("h", "127.0.0.1", 0, (FilterChain("http", manager),))
    assert envoy_says([encode(tcp()), encode(http)], []) == ""


def test_an_interval_that_envoy_refuses_is_not_sent() -> None:
    for resource in (
        routes(LocalRateLimit("a", TokenBucket(1, 1, 0.049))),
        tcp(ConnectionRateLimit("a", TokenBucket(1, 1, 0.049))),
    ):
        with pytest.raises(Rejected, match="fill_interval: expected at least 50ms"):
            encode(resource)


def test_commands_in_response_headers_are_not_sent() -> None:
    with pytest.raises(Rejected, match="response_headers_to_add: x-a: commands are not supported"):
        encode(routes(LocalRateLimit("a", BUCKET, response_headers=(("x-a", "%PROTOCOL%"),))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.descriptors.add(), "descriptors"),
        (lambda m: setattr(m, "stage", 1), "stage: 1 is not supported"),
        (
            lambda m: m.request_headers_to_add_when_not_enforced.add(),
            "request_headers_to_add_when_not_enforced",
        ),
        (
            lambda m: setattr(m, "local_rate_limit_per_downstream_connection", True),
            "per_downstream_connection",
        ),
        (lambda m: m.ClearField("token_bucket"), "token_bucket"),
        (
            lambda m: setattr(m.filter_enabled, "runtime_key", "a"),
            "filter_enabled.runtime_key: .a. is not supported",
        ),
    ],
)
def test_the_field_of_a_route_is_named(change: Callable[[Any], Any], message: str) -> None:
    configuration = unpack(encode(routes()), route_pb2.RouteConfiguration)
    [route] = configuration.virtual_hosts[0].routes
    limit = unpack(route.typed_per_filter_config[RATE_LIMIT_FILTER], http_pb2.LocalRateLimit)
    change(limit)
    route.typed_per_filter_config[RATE_LIMIT_FILTER].CopyFrom(pack(limit))
    with pytest.raises(Rejected, match=message):
        decode(pack(configuration))


def test_the_filter_by_itself_limits_nothing() -> None:
    """As Envoy has it without a bucket; with one it would limit every route, which ours does not."""
    manager = HttpConnectionManager("h", (LocalRateLimitFilter(), Router()), route_config_name="r")
    packed = encode(Listener("h", "127.0.0.1", 0, (FilterChain("http", manager),)))
    message = unpack(packed, listener_pb2.Listener)
    [network] = message.filter_chains[0].filters
    hcm = unpack(network.typed_config, http_connection_manager_pb2.HttpConnectionManager)
    limit = unpack(hcm.http_filters[0].typed_config, http_pb2.LocalRateLimit)
    limit.token_bucket.max_tokens = 1
    hcm.http_filters[0].typed_config.CopyFrom(pack(limit))
    network.typed_config.CopyFrom(pack(hcm))
    with pytest.raises(Rejected, match=r"http_filters\[0\].*token_bucket"):
        decode(pack(message))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.runtime_enabled.SetInParent(), "runtime_enabled: not supported"),
        (lambda m: setattr(m, "share_key", "a"), "share_key: .a. is not supported"),
    ],
)
def test_the_field_of_a_connections_limit_is_named(change: Callable[[Any], Any], message: str) -> None:
    listener = unpack(encode(tcp()), listener_pb2.Listener)
    limit_filter, _ = listener.filter_chains[0].filters
    assert limit_filter.name == CONNECTION_LIMIT_FILTER
    limit = unpack(limit_filter.typed_config, network_pb2.LocalRateLimit)
    change(limit)
    limit_filter.typed_config.CopyFrom(pack(limit))
    with pytest.raises(Rejected, match=message):
        decode(pack(listener))


def test_connections_are_limited_before_the_tcp_proxy_only() -> None:
    listener = unpack(encode(tcp()), listener_pb2.Listener)
    manager = HttpConnectionManager("h", (Router(),), route_config_name="r")
    other = unpack(
        encode(Listener("h", "127.0.0.1", 0, (FilterChain("http", manager),))), listener_pb2.Listener
    )
    listener.filter_chains[0].filters[1].CopyFrom(other.filter_chains[0].filters[0])
    with pytest.raises(
        Rejected, match=r"filters\[0\].name: 'envoy.filters.network.local_ratelimit' is not supported"
    ):
        decode(pack(listener))
    del listener.filter_chains[0].filters[1:]
    with pytest.raises(Rejected, match=CONNECTION_LIMIT_FILTER):
        decode(pack(listener))
