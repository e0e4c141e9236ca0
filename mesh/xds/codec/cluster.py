"""Clusters."""

from __future__ import annotations

from typing import Any, Final

from envoy.config.cluster.v3 import circuit_breaker_pb2, cluster_pb2
from envoy.config.core.v3 import protocol_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf import struct_pb2

from mesh.model.cluster import (
    CircuitBreaker,
    Cluster,
    Discovery,
    LbPolicy,
    RetryBudget,
    SlowStart,
    TcpKeepalive,
)
from mesh.model.names import ISTIO_METADATA
from mesh.model.tls import UpstreamTls
from mesh.xds.codec.endpoint import TLS_MODE, decode_assignment, encode_assignment
from mesh.xds.codec.health_check import decode_health_check, encode_health_check
from mesh.xds.codec.outlier import decode_outlier, encode_outlier
from mesh.xds.codec.tls import decode_upstream, encode_upstream, raw_socket
from mesh.xds.codec.wire import ads_source, duration, metadata, metadata_text, pack, seconds, struct, unpack
from mesh.xds.errors import Rejected

_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_DISCOVERY: Final[tuple[Discovery, ...]] = ("EDS", "STATIC", "STRICT_DNS", "LOGICAL_DNS", "ORIGINAL_DST")
_LB_POLICY: Final[tuple[LbPolicy, ...]] = (
    "ROUND_ROBIN",
    "LEAST_REQUEST",
    "RANDOM",
    "RING_HASH",
    "MAGLEV",
    "CLUSTER_PROVIDED",
)
_DISCOVERY_OF: Final = {cluster_pb2.Cluster.DiscoveryType.Value(name): name for name in _DISCOVERY}
_LB_POLICY_OF: Final = {cluster_pb2.Cluster.LbPolicy.Value(name): name for name in _LB_POLICY}
_KEEPALIVE: Final = (
    ("keepalive_probes", "probes"),
    ("keepalive_time", "time_s"),
    ("keepalive_interval", "interval_s"),
)
_SLOW_START: Final[dict[str, str]] = {
    "ROUND_ROBIN": "round_robin_lb_config",
    "LEAST_REQUEST": "least_request_lb_config",
}
_AGGRESSION_KEY: Final = "slow_start.aggression"  # Envoy wants a name by which an operator may override it
_LIMITS: Final = ("max_connections", "max_pending_requests", "max_requests", "max_retries")


def encode_cluster(cluster: Cluster) -> Any:
    message = cluster_pb2.Cluster(
        name=cluster.name,
        type=cluster.discovery,
        lb_policy=cluster.lb_policy,
        connect_timeout=duration(cluster.connect_timeout_s),
        circuit_breakers=_encode_breaker(cluster.circuit_breaker),
        typed_extension_protocol_options={_OPTIONS: pack(_http_options(cluster))},
        common_lb_config={"healthy_panic_threshold": {"value": cluster.panic_threshold}},
        metadata=metadata({ISTIO_METADATA: _origin(cluster)}),
    )
    if cluster.locality_weighted:
        message.common_lb_config.locality_weighted_lb_config.SetInParent()
    if cluster.discovery == "EDS":
        message.eds_cluster_config.eds_config.CopyFrom(ads_source())
    if cluster.discovery in ("STRICT_DNS", "LOGICAL_DNS"):
        message.dns_lookup_family = cluster_pb2.Cluster.V4_ONLY
    if cluster.load_assignment is not None:
        message.load_assignment.CopyFrom(encode_assignment(cluster.load_assignment))
    if cluster.slow_start is not None:
        _encode_slow_start(cluster, cluster.slow_start, message)
    if cluster.hash_table_size:
        _encode_table_size(cluster, message)
    if cluster.tcp_keepalive is not None:
        _encode_keepalive(cluster.tcp_keepalive, message.upstream_connection_options.tcp_keepalive)
    if cluster.outlier_detection is not None:
        message.outlier_detection.CopyFrom(encode_outlier(cluster.outlier_detection))
    if cluster.health_check is not None:
        message.health_checks.append(encode_health_check(cluster.health_check))
    message.ignore_health_on_host_removal = cluster.ignore_health_on_host_removal
    _encode_transport(cluster, message)
    return message


def decode_cluster(message: Any) -> Cluster:
    packed = message.typed_extension_protocol_options.get(_OPTIONS)
    if packed is None:
        raise Rejected(f"typed_extension_protocol_options[{_OPTIONS!r}]: is missing")
    options = unpack(packed, http_protocol_options_pb2.HttpProtocolOptions)
    common = options.common_http_protocol_options
    tls, tls_by_endpoint = _decode_transport(message)
    host, namespace = _decode_service(message)
    assigned = message.HasField("load_assignment")
    return Cluster(
        name=message.name,
        discovery=_DISCOVERY_OF.get(message.type, "STATIC"),
        lb_policy=_LB_POLICY_OF.get(message.lb_policy, "ROUND_ROBIN"),
        slow_start=_decode_slow_start(message),
        hash_table_size=_decode_table_size(message),
        connect_timeout_s=seconds(message.connect_timeout),
        tls=tls,
        tls_by_endpoint=tls_by_endpoint,
        load_assignment=decode_assignment(message.load_assignment) if assigned else None,
        circuit_breaker=_decode_breaker(message.circuit_breakers),
        idle_timeout_s=seconds(common.idle_timeout),
        max_requests_per_connection=common.max_requests_per_connection.value,
        max_connection_duration_s=seconds(common.max_connection_duration),
        tcp_keepalive=_decode_keepalive(message.upstream_connection_options),
        **_decode_protocol(options),
        outlier_detection=decode_outlier(message.outlier_detection)
        if message.HasField("outlier_detection")
        else None,
        health_check=decode_health_check(message.health_checks[0]) if message.health_checks else None,
        ignore_health_on_host_removal=message.ignore_health_on_host_removal,
        panic_threshold=int(message.common_lb_config.healthy_panic_threshold.value),
        locality_weighted=message.common_lb_config.HasField("locality_weighted_lb_config"),
        host=host,
        namespace=namespace,
        config=metadata_text(message, ISTIO_METADATA, "config"),
    )


def _http_options(cluster: Cluster) -> Any:
    """0 requests per connection, or streams at a time, = no limit = Envoy's field left out."""
    common = protocol_pb2.HttpProtocolOptions(idle_timeout=duration(cluster.idle_timeout_s))
    if cluster.max_requests_per_connection:
        common.max_requests_per_connection.value = cluster.max_requests_per_connection
    if cluster.max_connection_duration_s:
        common.max_connection_duration.CopyFrom(duration(cluster.max_connection_duration_s))
    options = http_protocol_options_pb2.HttpProtocolOptions(common_http_protocol_options=common)
    config = (
        options.use_downstream_protocol_config
        if cluster.use_client_protocol
        else options.explicit_http_config
    )
    if cluster.use_client_protocol or not cluster.http2:
        config.http_protocol_options.enable_trailers = cluster.enable_trailers
    if cluster.use_client_protocol or cluster.http2:
        config.http2_protocol_options.allow_connect = True
        if cluster.max_concurrent_streams:
            config.http2_protocol_options.max_concurrent_streams.value = cluster.max_concurrent_streams
    return options


def _decode_protocol(options: Any) -> dict[str, Any]:
    as_client = options.WhichOneof("upstream_protocol_options") == "use_downstream_protocol_config"
    config = options.use_downstream_protocol_config if as_client else options.explicit_http_config
    return {
        "use_client_protocol": as_client,
        "http2": not as_client and config.HasField("http2_protocol_options"),
        "max_concurrent_streams": config.http2_protocol_options.max_concurrent_streams.value,
        "enable_trailers": config.http_protocol_options.enable_trailers,
    }


def _encode_transport(cluster: Cluster, message: Any) -> None:
    if cluster.tls is None:
        if cluster.tls_by_endpoint:
            raise Rejected(f"cluster {cluster.name}: tls_by_endpoint: needs tls")
    elif cluster.tls_by_endpoint:
        message.transport_socket_matches.add(
            name="tlsMode-istio", match=struct(TLS_MODE), transport_socket=encode_upstream(cluster.tls)
        )
        # matches whatever the first did not: an endpoint without a sidecar gets plaintext
        message.transport_socket_matches.add(
            name="tlsMode-disabled", match=struct({}), transport_socket=raw_socket()
        )
    else:
        message.transport_socket.CopyFrom(encode_upstream(cluster.tls))


def _decode_transport(message: Any) -> tuple[UpstreamTls | None, bool]:
    if message.transport_socket_matches:
        return decode_upstream(message.transport_socket_matches[0].transport_socket), True
    if message.HasField("transport_socket"):
        return decode_upstream(message.transport_socket), False
    return None, False


def _encode_slow_start(cluster: Cluster, slow_start: SlowStart, message: Any) -> None:
    if cluster.lb_policy not in _SLOW_START:
        raise Rejected(f"cluster {cluster.name}: slow_start: needs ROUND_ROBIN or LEAST_REQUEST")
    config = getattr(message, _SLOW_START[cluster.lb_policy]).slow_start_config
    config.slow_start_window.CopyFrom(duration(slow_start.window_s))
    config.min_weight_percent.value = slow_start.minimum_percent
    config.aggression.default_value = slow_start.aggression
    config.aggression.runtime_key = _AGGRESSION_KEY


def _decode_slow_start(message: Any) -> SlowStart | None:
    kind = message.WhichOneof("lb_config")
    if kind not in _SLOW_START.values() or not getattr(message, kind).HasField("slow_start_config"):
        return None
    config = getattr(message, kind).slow_start_config
    return SlowStart(
        seconds(config.slow_start_window), config.min_weight_percent.value, config.aggression.default_value
    )


def _encode_table_size(cluster: Cluster, message: Any) -> None:
    if cluster.lb_policy == "RING_HASH":
        message.ring_hash_lb_config.minimum_ring_size.value = cluster.hash_table_size
    elif cluster.lb_policy == "MAGLEV":
        message.maglev_lb_config.table_size.value = cluster.hash_table_size
    else:
        raise Rejected(f"cluster {cluster.name}: hash_table_size: needs RING_HASH or MAGLEV")


def _decode_table_size(message: Any) -> int:
    kind = message.WhichOneof("lb_config")
    if kind == "ring_hash_lb_config":
        return int(message.ring_hash_lb_config.minimum_ring_size.value)
    return int(message.maglev_lb_config.table_size.value) if kind == "maglev_lb_config" else 0


def _encode_breaker(breaker: CircuitBreaker) -> Any:
    limits = {name: {"value": getattr(breaker, name)} for name in _LIMITS}
    message = circuit_breaker_pb2.CircuitBreakers(thresholds=[limits])
    if breaker.retry_budget is not None:
        budget = message.thresholds[0].retry_budget
        budget.budget_percent.value = breaker.retry_budget.percent
        budget.min_retry_concurrency.value = breaker.retry_budget.min_concurrency
    return message


def _decode_breaker(message: Any) -> CircuitBreaker:
    if not message.thresholds:
        return CircuitBreaker()
    limits = message.thresholds[0]
    budget = None
    if limits.HasField("retry_budget"):
        said = limits.retry_budget
        budget = RetryBudget(said.budget_percent.value, said.min_retry_concurrency.value)
    counts = {name: getattr(limits, name).value for name in _LIMITS}
    return CircuitBreaker(**counts, retry_budget=budget)


def _encode_keepalive(keepalive: TcpKeepalive, message: Any) -> None:
    message.SetInParent()
    for field, name in _KEEPALIVE:
        value = getattr(keepalive, name)
        if value is not None:
            getattr(message, field).value = value


def _decode_keepalive(options: Any) -> TcpKeepalive | None:
    if not options.HasField("tcp_keepalive"):
        return None
    message = options.tcp_keepalive
    fields = {name: getattr(message, field).value for field, name in _KEEPALIVE if message.HasField(field)}
    return TcpKeepalive(**fields)


def _origin(cluster: Cluster) -> dict[str, Any]:
    """Istio's cluster metadata: the service behind it, and the object that shaped it."""
    origin: dict[str, Any] = {}
    if cluster.host or cluster.namespace:
        name = cluster.host.partition(".")[0]
        origin["services"] = [{"host": cluster.host, "name": name, "namespace": cluster.namespace}]
    if cluster.config:
        origin["config"] = cluster.config
    return origin


def _decode_service(message: Any) -> tuple[str, str]:
    services = message.metadata.filter_metadata.get(ISTIO_METADATA, struct({})).fields.get("services")
    if services is None or not services.list_value.values:
        return "", ""
    fields = dict(services.list_value.values[0].struct_value.fields)
    empty = struct_pb2.Value()
    return fields.get("host", empty).string_value, fields.get("namespace", empty).string_value
