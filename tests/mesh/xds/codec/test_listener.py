"""The real Envoy takes every kind of resource the codec writes."""

from __future__ import annotations

import pytest

from mesh.model.cluster import CircuitBreaker, Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, Locality, LocalityEndpoints
from mesh.model.http_filter import (
    FaultFilter,
    FileAccessLog,
    GrpcAccessLog,
    HeaderToMetadata,
    IstioStats,
    MetadataTag,
    Router,
)
from mesh.model.listener import FilterChain, FilterChainMatch, HttpConnectionManager, Listener, TcpProxy
from mesh.model.names import MTLS_ALPN
from mesh.model.route import (
    DirectResponse,
    Fault,
    FaultAbort,
    FaultDelay,
    Forward,
    HeaderMatch,
    HeaderMutation,
    QueryMatch,
    Redirect,
    RetryPolicy,
    Route,
    RouteConfiguration,
    RouteMatch,
    StringMatch,
    VirtualHost,
    WeightedCluster,
)
from mesh.model.tls import DownstreamTls, UpstreamTls
from mesh.xds.codec.codec import encode

pytestmark = pytest.mark.envoy

TLS = UpstreamTls("outbound_.9080_._.reviews", ("istio",), ("spiffe://cluster.local/ns/default/sa/reviews",))
ENDPOINTS = ClusterLoadAssignment(
    "c",
    (
        LocalityEndpoints((Endpoint("127.0.0.1", 9080, True, "w;n;s;r;c"),), Locality("r", "z", "s")),
        LocalityEndpoints((Endpoint("127.0.0.2", 9080, health="DRAINING", weight=3),), weight=2, priority=1),
    ),
)
CLUSTERS = [
    Cluster("eds", "EDS", tls=TLS, tls_by_endpoint=True, host="reviews.default.svc", namespace="default"),
    Cluster("static", "STATIC", "ROUND_ROBIN", load_assignment=ENDPOINTS, max_requests_per_connection=1),
    Cluster("empty", "STATIC", load_assignment=ClusterLoadAssignment("empty")),
    Cluster(
        "dns",
        "STRICT_DNS",
        "RANDOM",
        tls=TLS,
        load_assignment=ClusterLoadAssignment("dns", (LocalityEndpoints((Endpoint("localhost", 80),)),)),
        circuit_breaker=CircuitBreaker(1, 2, 3, 4),
        idle_timeout_s=0,
        config="destination-rule/default/dns",
    ),
    Cluster(
        "logical",
        "LOGICAL_DNS",
        load_assignment=ClusterLoadAssignment("logical", (LocalityEndpoints((Endpoint("localhost", 80),)),)),
    ),
    Cluster("passthrough", "ORIGINAL_DST", "CLUSTER_PROVIDED"),
]

EVERY_MATCH = RouteMatch(
    StringMatch("regex", "/api/v[0-9]+"),
    (
        HeaderMatch("end-user"),
        HeaderMatch("user-agent", StringMatch("regex", ".*iPhone.*")),
        HeaderMatch(":method", StringMatch("exact", "GET")),
        HeaderMatch("cookie", StringMatch("contains", "canary", ignore_case=True), invert=True),
        HeaderMatch("x-suffix", StringMatch("suffix", "z")),
    ),
    (QueryMatch("debug"), QueryMatch("v", StringMatch("prefix", "2"))),
)
MUTATION = HeaderMutation((("x-set", "100%% %PROTOCOL%"), ("x-empty", "")), (("x-add", "1"),), ("x-remove",))
RETRY = RetryPolicy(2, ("connect-failure", "retriable-status-codes"), 1.5, (503,))
SPLIT = Forward(
    (WeightedCluster("static", 95), WeightedCluster("eds", 5, MUTATION, MUTATION)), 3.0, RETRY, "host", "/x"
)
ROUTES = (
    Route(EVERY_MATCH, SPLIT, "canary", "virtual-service/default/reviews", decorator="reviews:9080/*"),
    Route(
        RouteMatch(StringMatch("exact", "/fault", ignore_case=True)),
        Forward((WeightedCluster("unknown"),)),
        fault=Fault(FaultDelay(0.01, 5), FaultAbort(100, 555)),
        request_headers=MUTATION,
        response_headers=MUTATION,
    ),
    Route(
        RouteMatch(StringMatch("prefix", "/old")), Redirect(301, "host", 8443, "https", prefix_rewrite="/new")
    ),
    Route(RouteMatch(StringMatch("prefix", "/moved")), Redirect(308, path="/there?x=1")),
    Route(RouteMatch(), DirectResponse(503, b"x" * 5000)),
)
INLINE = RouteConfiguration("inline", (VirtualHost("all", ("*",), ROUTES),), MUTATION, MUTATION)

TAGS = (
    MetadataTag("reporter", "literal", "destination"),
    MetadataTag("source_peer", "request", "istio", "peer"),
    MetadataTag("destination_peer", "host", "istio", "workload"),
)
LOGS = (FileAccessLog(), GrpcAccessLog("mixer", "xds-grpc", TAGS), GrpcAccessLog("other", "sds-grpc", TAGS))
INBOUND = HttpConnectionManager(
    "inbound_9080",
    (HeaderToMetadata("x-envoy-peer-metadata", "istio", "peer"), FaultFilter(), Router()),
    route_config=INLINE,
    access_logs=LOGS,
    forward_client_cert="APPEND_FORWARD",
    server_name="istio-envoy",
)
OUTBOUND = HttpConnectionManager("outbound", (FaultFilter(), Router()), "9080", access_logs=LOGS)
TCP = TcpProxy("passthrough", "passthrough", LOGS)
LISTENERS = [
    Listener(
        "virtualOutbound",
        "0.0.0.0",
        15001,
        (FilterChain("passthrough", TCP),),
        "OUTBOUND",
        use_original_dst=True,
        access_logs=LOGS,
    ),
    Listener(
        "0.0.0.0_9080", "0.0.0.0", 9080, (FilterChain("http", OUTBOUND),), "OUTBOUND", bind_to_port=False
    ),
    Listener(
        "virtualInbound",
        "0.0.0.0",
        15006,
        (
            FilterChain(
                "mtls", INBOUND, FilterChainMatch(9080, "tls", (), MTLS_ALPN), DownstreamTls(MTLS_ALPN)
            ),
            FilterChain("tls", TCP, FilterChainMatch(9080, "tls", ("a.example",), ("h2",))),
            FilterChain("plain", INBOUND, FilterChainMatch(9080, "raw_buffer")),
        ),
        "INBOUND",
        inspect_tls=True,
        tls_inspector_off=(3306, 25),
        inspect_http=True,
        http_inspector_on=(7000,),
        listener_filters_timeout_s=5.0,
        original_dst=True,
        default_filter_chain=FilterChain("default", TCP),
    ),
]


def test_envoy_takes_every_kind_of_resource(envoy_says):
    assert envoy_says([encode(each) for each in LISTENERS], [encode(each) for each in CLUSTERS]) == ""


def test_a_stock_envoy_has_not_istios_own_filters(envoy_says):
    manager = HttpConnectionManager("m", (IstioStats("source"), Router()), "9080")
    listener = Listener("l", "0.0.0.0", 1, (FilterChain("c", manager),))
    assert "istio.stats" in envoy_says([encode(listener)], [])
