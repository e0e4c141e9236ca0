"""Every value of the model goes over the wire and comes back; whatever else comes is refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from google.protobuf import any_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.model import health_check as checking
from mesh.model.access_log_entry import AccessLogType
from mesh.model.cluster import (
    UNLIMITED,
    CircuitBreaker,
    Cluster,
    LbPolicy,
    RetryBudget,
    SlowStart,
    TcpKeepalive,
)
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, Health, Locality, LocalityEndpoints
from mesh.model.health_check import GrpcHealthCheck, HttpHealthCheck, Method, TcpHealthCheck
from mesh.model.http_filter import (
    Alpn,
    CorsFilter,
    FaultFilter,
    FileAccessLog,
    GrpcAccessLog,
    GrpcStats,
    HeaderToMetadata,
    IstioStats,
    LocalRateLimitFilter,
    MetadataTag,
    PeerMetadata,
    Router,
)
from mesh.model.listener import (
    Direction,
    FilterChain,
    FilterChainMatch,
    ForwardClientCert,
    HttpConnectionManager,
    Listener,
    TcpProxy,
)
from mesh.model.names import file_certificate, file_roots
from mesh.model.outlier import FailurePercentage, OutlierDetection, SuccessRate
from mesh.model.rate_limit import ConnectionRateLimit, LocalRateLimit, TokenBucket
from mesh.model.route import (
    CorsPolicy,
    DirectResponse,
    Fault,
    FaultAbort,
    FaultDelay,
    Forward,
    HashPolicy,
    HeaderMatch,
    HeaderMutation,
    Mirror,
    QueryMatch,
    Redirect,
    RegexRewrite,
    RetryPolicy,
    Route,
    RouteConfiguration,
    RouteMatch,
    ScriptedFault,
    StringMatch,
    VirtualHost,
    WeightedCluster,
)
from mesh.model.tls import DownstreamTls, UpstreamTls
from mesh.xds.codec.codec import TYPE_URLS, decode, encode, resource_name
from mesh.xds.errors import Rejected

text = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12)
word = st.text("abc.-|_%0 :/", min_size=1, max_size=12)
port = st.integers(1, 65535)
count = st.integers(0, UNLIMITED)
duration = st.integers(0, 10**9).map(lambda ms: ms / 1000)
positive = st.integers(1, 10**9).map(lambda us: us / 10**6)
percentage = st.integers(0, 10**6).map(lambda parts: parts / 10**4)


def maybe(strategy):
    return st.none() | strategy


def several(strategy, least=0):
    return st.lists(strategy, min_size=least, max_size=2).map(tuple)


def choice(literal):
    return st.sampled_from(get_args(literal))


endpoint = st.builds(Endpoint, word, port, st.booleans(), text, st.integers(1, UNLIMITED), choice(Health))
locality = st.builds(
    LocalityEndpoints,
    several(endpoint),
    st.builds(Locality, text, text, text),
    st.integers(1, 99),
    st.integers(0, 9),
)
assignment = st.builds(ClusterLoadAssignment, word, several(locality))

certificates = st.one_of(word, st.builds(file_certificate, word, word))
roots = st.one_of(word, word.map(file_roots))
upstream_tls = st.builds(UpstreamTls, word, several(word), several(word), certificates, roots) | st.builds(
    UpstreamTls, word, certificate=st.just(""), validation=st.just(""), alpn=several(word)
)
secured = st.one_of(st.tuples(st.none(), st.just(False)), st.tuples(upstream_tls, st.booleans()))
balancing = st.one_of(
    st.fixed_dictionaries({"lb_policy": choice(LbPolicy)}),
    st.fixed_dictionaries({"lb_policy": st.sampled_from(("RING_HASH", "MAGLEV")), "hash_table_size": count}),
    st.fixed_dictionaries(
        {
            "lb_policy": st.sampled_from(("ROUND_ROBIN", "LEAST_REQUEST")),
            "slow_start": st.builds(SlowStart, positive, percentage, positive),
        }
    ),
)
statuses = several(st.tuples(st.integers(100, 599), st.integers(100, 600)))
payload = st.binary(max_size=9)
checks = st.one_of(
    st.builds(
        HttpHealthCheck,
        word,
        text,
        choice(Method),
        several(st.tuples(word, st.text("abc :,", max_size=9))),
        statuses,
        statuses,
        several(payload),
        st.booleans(),
    ),
    st.builds(TcpHealthCheck, payload, several(payload)),
    st.builds(GrpcHealthCheck, text, text),
)
health_check = st.builds(
    checking.HealthCheck,
    checks,
    positive,
    positive,
    count,
    count,
    positive,
    maybe(positive),
    maybe(positive),
    maybe(positive),
    maybe(positive),
    duration,
    duration,
    st.integers(0, 100),
    st.booleans(),
    several(word),
)
cluster = st.builds(
    lambda kind, assigned, secured, speaks, balancing, **rest: Cluster(
        **speaks,
        **balancing,
        discovery=kind,
        load_assignment=assigned if kind in ("STATIC", "STRICT_DNS", "LOGICAL_DNS") else None,
        tls=secured[0],
        tls_by_endpoint=secured[1],
        **rest,
    ),
    kind=st.sampled_from(("EDS", "STATIC", "STRICT_DNS", "LOGICAL_DNS", "ORIGINAL_DST")),
    assigned=maybe(assignment),
    secured=secured,
    balancing=balancing,
    name=word,
    connect_timeout_s=positive,
    circuit_breaker=st.builds(
        CircuitBreaker, count, count, count, count, maybe(st.builds(RetryBudget, percentage, count))
    ),
    idle_timeout_s=duration,
    max_requests_per_connection=count,
    max_connection_duration_s=duration,
    tcp_keepalive=maybe(st.builds(TcpKeepalive, maybe(count), maybe(count), maybe(count))),
    speaks=st.one_of(
        st.just({}),
        st.builds(lambda n: {"http2": True, "max_concurrent_streams": n}, count),
        st.builds(lambda n: {"use_client_protocol": True, "max_concurrent_streams": n}, count),
    ),
    outlier_detection=maybe(
        st.builds(
            OutlierDetection,
            count,
            count,
            st.booleans(),
            count,
            positive,
            positive,
            st.integers(0, 100),
            maybe(positive),
            duration,
            st.booleans(),
            st.booleans(),
            maybe(st.builds(SuccessRate, count, count, count, count, count)),
            maybe(st.builds(FailurePercentage, count, count, count, count, count)),
        )
    ),
    health_check=maybe(health_check),
    ignore_health_on_host_removal=st.booleans(),
    panic_threshold=st.integers(0, 100),
    locality_weighted=st.booleans(),
    host=text,
    namespace=text,
    config=text,
)

string_match = st.builds(
    StringMatch, st.sampled_from(("exact", "prefix", "suffix", "contains", "regex")), text, st.booleans()
)
path_match = st.builds(StringMatch, st.sampled_from(("exact", "prefix", "regex")), text, st.booleans())
route_match = st.builds(
    RouteMatch,
    path_match,
    several(st.builds(HeaderMatch, word, maybe(string_match), st.booleans())),
    several(st.builds(QueryMatch, word, maybe(string_match))),
)
pair = st.tuples(word, text)
mutation = st.builds(HeaderMutation, several(pair), several(pair), several(word))
retry = st.builds(
    RetryPolicy,
    count,
    several(st.sampled_from(("5xx", "reset", "connect-failure", "non-idempotent"))),
    maybe(positive),
    several(st.integers(100, 599)),
    st.booleans(),
    st.integers(0, 99),
    positive,
    positive,
    several(word),
    st.integers(0, 99),
)
forward = st.builds(
    Forward,
    several(st.builds(WeightedCluster, word, count, mutation, mutation), least=1),
    maybe(positive),
    maybe(retry),
    maybe(word),
    maybe(word),
    several(st.builds(Mirror, word, percentage, st.booleans())),
    maybe(st.builds(RegexRewrite, text, text)),
    several(
        st.one_of(
            st.builds(HashPolicy, st.sampled_from(("header", "query")), word),
            st.just(HashPolicy("source_ip")),
            st.builds(HashPolicy, st.just("cookie"), word, text, maybe(duration)),
        )
    ),
    st.booleans(),
)
redirect = st.builds(
    lambda both, *rest: Redirect(*rest, path=both[0], prefix_rewrite=both[1]),
    st.one_of(st.tuples(maybe(text), st.none()), st.tuples(st.none(), maybe(text))),
    st.sampled_from((301, 302, 303, 307, 308)),
    maybe(word),
    maybe(port),
    maybe(text),
)
direct_response = st.builds(
    DirectResponse, st.integers(200, 599), st.sampled_from((b"", b"gone", b"x" * 5000))
)
fault = st.builds(
    Fault,
    maybe(st.builds(FaultDelay, percentage, positive)),
    maybe(
        st.one_of(
            st.builds(FaultAbort, percentage, st.integers(200, 599)),
            st.builds(FaultAbort, percentage, st.none(), st.integers(0, 16)),
        )
    ),
)
cors = st.builds(
    CorsPolicy,
    several(string_match),
    text,
    text,
    text,
    text,
    maybe(st.booleans()),
    maybe(st.booleans()),
)
script = st.builds(
    ScriptedFault,
    text,
    st.sampled_from(("first", "every", "attempt")),
    st.integers(1, 10**9),
    maybe(st.integers(200, 599)),
    maybe(positive),
)
bucket = st.builds(TokenBucket, count, count, st.integers(50, 10**9).map(lambda ms: ms / 1000))
rate_limit = st.builds(
    LocalRateLimit,
    word,
    bucket,
    percentage,
    percentage,
    st.integers(100, 599),
    several(st.tuples(word, st.text("abc :,", max_size=9))),
    st.booleans(),
)
route = st.builds(
    Route,
    route_match,
    st.one_of(forward, redirect, direct_response),
    text,
    text,
    maybe(fault),
    maybe(cors),
    several(script),
    maybe(rate_limit),
    mutation,
    mutation,
    text,
)
virtual_host = st.builds(VirtualHost, word, several(word), several(route))
route_configuration = st.builds(RouteConfiguration, word, several(virtual_host), mutation, mutation)

http_filter = st.one_of(
    st.builds(PeerMetadata, st.sampled_from(("downstream", "upstream"))),
    st.builds(IstioStats, st.sampled_from(("source", "destination"))),
    st.builds(HeaderToMetadata, word, word, word),
    st.just(Alpn()),
    st.just(GrpcStats()),
    st.just(LocalRateLimitFilter()),
    st.just(FaultFilter()),
    st.just(CorsFilter()),
    st.just(Router()),
)
tag = st.one_of(
    st.builds(MetadataTag, word, st.sampled_from(("request", "host")), word, word),
    st.builds(MetadataTag, word, st.just("literal"), text),
)
moments = st.lists(choice(AccessLogType), max_size=3).map(tuple)
access_log = st.one_of(
    st.builds(FileAccessLog, word, moments),
    st.builds(GrpcAccessLog, word, word, several(tag), duration, count, moments),
)
connection_log = access_log.map(lambda log: replace(log, types=()))  # a listener's has a filter of its own
manager = st.builds(
    lambda routes, **rest: HttpConnectionManager(**routes, **rest),
    routes=st.one_of(
        st.fixed_dictionaries({"route_config_name": word}),
        st.fixed_dictionaries({"route_config": route_configuration}),
    ),
    stat_prefix=word,
    filters=several(http_filter),
    access_logs=several(access_log),
    forward_client_cert=choice(ForwardClientCert),
    server_name=text,
    generate_request_id=st.booleans(),
    stream_idle_timeout_s=duration,
    idle_timeout_s=duration,
    max_request_headers_kb=st.integers(1, 8192),
)
weights = st.lists(st.tuples(word, st.integers(1, 100)), min_size=1, max_size=3).map(tuple)
tcp_proxy = st.builds(
    lambda clusters, **rest: TcpProxy(cluster=clusters[0], weighted_clusters=clusters[1], **rest),
    st.one_of(st.tuples(word, st.just(())), st.tuples(st.just(""), weights)),
    stat_prefix=word,
    access_logs=several(access_log),
    idle_timeout_s=duration,
    max_connection_duration_s=duration,
    flush_access_log_on_connected=st.booleans(),
    access_log_flush_interval_s=duration,
    after_handshake=st.booleans(),
    stats=maybe(st.builds(IstioStats, st.sampled_from(("source", "destination")))),
    rate_limit=maybe(st.builds(ConnectionRateLimit, word, bucket)),
)
network_filter = st.one_of(manager, tcp_proxy)
ranges = st.builds(lambda octet, length: f"{octet}.0.0.0/{length}", st.integers(0, 255), st.integers(0, 32))
chain_match = st.builds(
    FilterChainMatch,
    maybe(port),
    st.sampled_from(("", "tls", "raw_buffer")),
    several(word),
    several(word),
    several(ranges),
)
downstream_tls = st.builds(DownstreamTls, several(word), st.booleans(), word, word)
chain = st.builds(FilterChain, word, network_filter, chain_match, maybe(downstream_tls))
ports = st.lists(port, max_size=3, unique=True).map(tuple)
inspectors = st.builds(
    lambda tls, http: tls | http,
    st.one_of(st.just({}), st.builds(lambda off: {"inspect_tls": True, "tls_inspector_off": off}, ports)),
    st.one_of(st.just({}), st.builds(lambda on: {"inspect_http": True, "http_inspector_on": on}, ports)),
)
listener = st.builds(
    lambda inspectors, **rest: Listener(**inspectors, **rest),
    inspectors,
    name=word,
    address=word,
    port=st.integers(0, 65535),
    filter_chains=several(chain),
    direction=choice(Direction),
    bind_to_port=st.booleans(),
    use_original_dst=st.booleans(),
    listener_filters_timeout_s=maybe(duration),
    continue_on_listener_filters_timeout=st.booleans(),
    original_dst=st.booleans(),
    default_filter_chain=maybe(chain),
    access_logs=several(connection_log),
)

PROPERTY = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))


@PROPERTY
@given(st.one_of(cluster, assignment))
def test_clusters_and_endpoints_come_back_as_they_went(resource):
    assert decode(encode(resource)) == resource


@PROPERTY
@given(route_configuration)
def test_routes_come_back_as_they_went(resource):
    assert decode(encode(resource)) == resource


@PROPERTY
@given(listener)
def test_listeners_come_back_as_they_went(resource):
    assert decode(encode(resource)) == resource


@PROPERTY
@given(st.one_of(cluster, assignment, route_configuration, listener))
def test_equal_values_have_equal_bytes(resource):
    assert encode(resource).value == encode(resource).value


def test_every_type_url_is_envoys_v3_type():
    assert TYPE_URLS == {
        "CDS": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "EDS": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
        "SDS": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
        "LDS": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "RDS": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    }


def test_an_assignment_is_named_after_its_cluster():
    assert resource_name(ClusterLoadAssignment("a")) == "a"
    assert resource_name(Cluster("c", "EDS")) == "c"


def test_an_unknown_type_is_refused_by_name():
    with pytest.raises(Rejected, match=r"type.googleapis.com/envoy.Nothing is not supported"):
        decode(any_pb2.Any(type_url="type.googleapis.com/envoy.Nothing"))


def test_bytes_that_do_not_parse_are_refused():
    with pytest.raises(Rejected, match="malformed protobuf"):
        decode(any_pb2.Any(type_url=TYPE_URLS["CDS"], value=b"\xff\xff"))


def changed(resource, message_class, change):
    """The encoded resource, with a hand on the message before it is packed again."""
    packed = encode(resource)
    message = message_class()
    packed.Unpack(message)
    change(message)
    packed.Pack(message)
    return packed


def reviews_route():
    action = Forward((WeightedCluster("v1", 95), WeightedCluster("v2", 5)))
    return RouteConfiguration("9080", (VirtualHost("reviews", ("*",), (Route(RouteMatch(), action),)),))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m.virtual_hosts[0].routes[0].route.hash_policy.add(), "hash_policy: nothing"),
        (lambda m: setattr(m.virtual_hosts[0], "require_tls", 1), "require_tls: EXTERNAL_ONLY is not"),
        (lambda m: m.virtual_hosts[0].routes[0].match.grpc.SetInParent(), "routes[0].match.grpc"),
        (lambda m: m.virtual_hosts[0].routes[0].ClearField("route"), "route '': action"),
        (
            lambda m: m.virtual_hosts[0].routes[0].typed_per_filter_config["x"].SetInParent(),
            "typed_per_filter_config['x']",
        ),
    ],
)
def test_a_route_field_the_model_cannot_hold_is_refused_by_name(change, named):
    with pytest.raises(Rejected) as refused:
        decode(changed(reviews_route(), route_pb2.RouteConfiguration, change))
    assert str(refused.value).startswith("route 9080: ")
    assert named in str(refused.value)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m.outlier_detection.SetInParent(), "outlier_detection.consecutive_5xx: is missing"),
        (lambda m: setattr(m.eds_cluster_config, "service_name", "a"), "eds_cluster_config.service_name: "),
        (
            lambda m: setattr(m, "lb_policy", cluster_pb2.Cluster.LOAD_BALANCING_POLICY_CONFIG),
            "lb_policy: LOAD_BALANCING_POLICY_CONFIG is not supported",
        ),
        (lambda m: m.ClearField("typed_extension_protocol_options"), "typed_extension_protocol_options"),
    ],
)
def test_a_cluster_field_the_model_cannot_hold_is_refused_by_name(change, named):
    with pytest.raises(Rejected) as refused:
        decode(changed(Cluster("c", "EDS"), cluster_pb2.Cluster, change))
    assert str(refused.value).startswith("cluster c: ")
    assert named in str(refused.value)


def test_a_number_that_is_none_is_refused_by_name():
    def change(message):
        message.common_lb_config.healthy_panic_threshold.value = float("nan")

    with pytest.raises(Rejected, match=r"^cluster a: common_lb_config.*threshold\.value: expected a finite"):
        decode(changed(Cluster("a", "EDS"), cluster_pb2.Cluster, change))


def test_a_listener_filter_the_model_cannot_hold_is_refused_by_name():
    value = Listener("l", "127.0.0.1", 1, (FilterChain("c", TcpProxy("s", "c")),))
    packed = changed(
        value, listener_pb2.Listener, lambda m: setattr(m.filter_chains[0].filters[0], "name", "lua")
    )
    with pytest.raises(Rejected, match=r"listener l: network filter 'lua' .* is not supported"):
        decode(packed)


def test_another_filter_state_than_the_alpn_of_requests_is_refused_by_name():
    value = Listener("l", "a", 1, (FilterChain("c", HttpConnectionManager("s", (Alpn(), Router()), "r")),))
    packed = encode(value)
    packed.value = packed.value.replace(b"istio-h2", b"istio-h3")
    with pytest.raises(
        Rejected, match=r"http_filters\[0\].typed_config.on_request_headers\[0\].format_string"
    ):
        decode(packed)


def test_an_inspector_switched_off_otherwise_than_by_port_is_refused_by_name():
    value = Listener("l", "127.0.0.1", 1, (FilterChain("c", TcpProxy("s", "c")),), inspect_tls=True)
    packed = changed(
        value,
        listener_pb2.Listener,
        lambda m: setattr(m.listener_filters[0].filter_disabled, "any_match", True),
    )
    with pytest.raises(Rejected, match=r"listener l: listener_filters\[0\].filter_disabled"):
        decode(packed)


def test_a_field_that_this_version_does_not_know_is_refused_by_number():
    packed = encode(Cluster("c", "EDS"))
    packed.value += b"\xc8\x3e\x01"  # field 1001, varint 1
    with pytest.raises(Rejected, match="cluster c: field number 1001: unknown to this version"):
        decode(packed)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (Cluster("c", "EDS", tls_by_endpoint=True), "tls_by_endpoint"),
        (
            RouteConfiguration(
                "r",
                (VirtualHost("v", ("*",), (Route(RouteMatch(), Redirect(path="/a", prefix_rewrite="/b")),)),),
            ),
            "prefix_rewrite",
        ),
        (
            Listener("l", "a", 1, (FilterChain("c", HttpConnectionManager("s", ())),)),
            "route_config",
        ),
    ],
)
def test_a_value_that_contradicts_itself_is_not_encoded(value, named):
    with pytest.raises(Rejected, match=named):
        encode(value)
