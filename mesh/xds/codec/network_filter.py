"""The terminal network filters: the HTTP connection manager; the TCP proxy, its rate limit, Istio's stats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from envoy.config.listener.v3 import listener_components_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2

from mesh.model.listener import ForwardClientCert, HttpConnectionManager, NetworkFilter, TcpProxy
from mesh.xds.codec.access_logger import decode_log, encode_http_log, encode_tcp_log
from mesh.xds.codec.http_filter import (
    STATS_FILTER,
    decode_http_filter,
    decode_stats,
    encode_http_filter,
    encode_stats,
)
from mesh.xds.codec.rate_limit import (
    CONNECTION_LIMIT_FILTER,
    decode_connection_limit,
    encode_connection_limit,
)
from mesh.xds.codec.route import decode_route_configuration, encode_route_configuration
from mesh.xds.codec.wire import ads_source, cidr, cidr_text, duration, pack, seconds, unpack
from mesh.xds.errors import Rejected

_Hcm: Final = http_connection_manager_pb2.HttpConnectionManager
_HCM_FILTER: Final = "envoy.filters.network.http_connection_manager"
_TCP_FILTER: Final = "envoy.filters.network.tcp_proxy"
_FORWARD: Final[tuple[ForwardClientCert, ...]] = (
    "SANITIZE",
    "FORWARD_ONLY",
    "APPEND_FORWARD",
    "SANITIZE_SET",
    "ALWAYS_FORWARD_ONLY",
)
_FORWARD_OF: Final = {_Hcm.ForwardClientCertDetails.Value(name): name for name in _FORWARD}
_EARLY_DATA_BYTES: Final = 65536  # Envoy wants a limit: what it takes of a client whose upstream is not there
_WRITES_CLIENT_CERT: Final = ("APPEND_FORWARD", "SANITIZE_SET")


def encode_network_filters(network_filter: NetworkFilter) -> list[Any]:
    """A chain's filters: the terminal one, and before it what it has beside it."""
    if not isinstance(network_filter, TcpProxy):
        return [_filter(_HCM_FILTER, _encode_manager(network_filter))]
    limit, stats = network_filter.rate_limit, network_filter.stats
    before = []
    if limit is not None:
        before.append(_filter(CONNECTION_LIMIT_FILTER, encode_connection_limit(limit)))
    if stats is not None:
        before.append(_filter(STATS_FILTER, encode_stats(stats)))
    return [*before, _filter(_TCP_FILTER, _encode_tcp_proxy(network_filter))]


def decode_network_filters(messages: Sequence[Any]) -> NetworkFilter:
    """What stands elsewhere than ``encode_network_filters`` puts it is left to the strict check."""
    named = {found.name: found for found in messages}
    limit, stats = named.pop(CONNECTION_LIMIT_FILTER, None), named.pop(STATS_FILTER, None)
    terminal = next(iter(named.values()), messages[0])
    match terminal.name:
        case "envoy.filters.network.http_connection_manager":
            return _decode_manager(unpack(terminal.typed_config, _Hcm))
        case "envoy.filters.network.tcp_proxy":
            proxy = _decode_tcp_proxy(unpack(terminal.typed_config, tcp_proxy_pb2.TcpProxy))
            return replace(
                proxy,
                rate_limit=None if limit is None else decode_connection_limit(limit.typed_config),
                stats=None if stats is None else decode_stats(stats.typed_config),
            )
        case other:
            raise Rejected(f"network filter {other!r} ({terminal.typed_config.type_url}) is not supported")


def _filter(name: str, config: Any) -> Any:
    return listener_components_pb2.Filter(name=name, typed_config=pack(config))


def _encode_manager(manager: HttpConnectionManager) -> Any:
    message = _Hcm(
        stat_prefix=manager.stat_prefix,
        http_filters=[encode_http_filter(http_filter) for http_filter in manager.filters],
        access_log=[encode_http_log(log) for log in manager.access_logs],
        forward_client_cert_details=manager.forward_client_cert,
        generate_request_id={"value": manager.generate_request_id},
        stream_idle_timeout=duration(manager.stream_idle_timeout_s),
        common_http_protocol_options={"idle_timeout": duration(manager.idle_timeout_s)},
        max_request_headers_kb={"value": manager.max_request_headers_kb},
        server_name=manager.server_name,
    )
    if manager.use_remote_address:
        message.use_remote_address.value = True
    message.internal_address_config.cidr_ranges.extend(map(cidr, manager.internal_networks))
    if manager.enable_trailers or manager.accept_http_10:
        message.http_protocol_options.enable_trailers = manager.enable_trailers
        message.http_protocol_options.accept_http_10 = manager.accept_http_10
    if manager.upgrades:
        message.upgrade_configs.extend(_Hcm.UpgradeConfig(upgrade_type=one) for one in manager.upgrades)
        message.http2_protocol_options.allow_connect = True
    if manager.request_headers_timeout_s:
        message.request_headers_timeout.CopyFrom(duration(manager.request_headers_timeout_s))
    if not manager.server_name:
        message.server_header_transformation = _Hcm.PASS_THROUGH
    if manager.forward_client_cert in _WRITES_CLIENT_CERT:
        _set_client_cert_details(message, manager.forward_client_pem)
    _encode_routes(manager, message)
    return message


def _set_client_cert_details(message: Any, with_pem: bool) -> None:
    """What Istio puts in x-forwarded-client-cert beside By and Hash; ``with_pem`` at its gateways."""
    details = message.set_current_client_cert_details
    details.subject.value = details.dns = details.uri = True
    details.cert = with_pem


def _encode_routes(manager: HttpConnectionManager, message: Any) -> None:
    if (manager.route_config is None) == (not manager.route_config_name):
        raise Rejected(f"connection manager {manager.stat_prefix}: expected either route_config or its name")
    if manager.route_config is not None:
        message.route_config.CopyFrom(encode_route_configuration(manager.route_config))
    else:
        message.rds.config_source.CopyFrom(ads_source())
        message.rds.route_config_name = manager.route_config_name


def _decode_manager(message: Any) -> HttpConnectionManager:
    inline = message.WhichOneof("route_specifier") == "route_config"
    if not inline and not message.rds.route_config_name:
        raise Rejected(f"connection manager {message.stat_prefix}: rds: is missing")
    return HttpConnectionManager(
        stat_prefix=message.stat_prefix,
        filters=tuple(map(decode_http_filter, message.http_filters)),
        route_config_name="" if inline else message.rds.route_config_name,
        route_config=decode_route_configuration(message.route_config) if inline else None,
        access_logs=tuple(map(decode_log, message.access_log)),
        forward_client_cert=_FORWARD_OF.get(message.forward_client_cert_details, "SANITIZE"),
        forward_client_pem=message.set_current_client_cert_details.cert,
        server_name=message.server_name,
        generate_request_id=message.generate_request_id.value,
        stream_idle_timeout_s=seconds(message.stream_idle_timeout),
        idle_timeout_s=seconds(message.common_http_protocol_options.idle_timeout),
        request_headers_timeout_s=seconds(message.request_headers_timeout),
        max_request_headers_kb=message.max_request_headers_kb.value,
        internal_networks=tuple(map(cidr_text, message.internal_address_config.cidr_ranges)),
        use_remote_address=message.use_remote_address.value,
        upgrades=tuple(one.upgrade_type for one in message.upgrade_configs),
        enable_trailers=message.http_protocol_options.enable_trailers,
        accept_http_10=message.http_protocol_options.accept_http_10,
    )


def _encode_tcp_proxy(proxy: TcpProxy) -> Any:
    logs = [encode_tcp_log(log) for log in proxy.access_logs]
    message = tcp_proxy_pb2.TcpProxy(
        stat_prefix=proxy.stat_prefix,
        access_log=logs,
        idle_timeout=duration(proxy.idle_timeout_s),
    )
    if proxy.weighted_clusters:
        for name, weight in proxy.weighted_clusters:
            message.weighted_clusters.clusters.add(name=name, weight=weight)
    else:
        message.cluster = proxy.cluster
    options = message.access_log_options
    if proxy.flush_access_log_on_connected:
        options.flush_access_log_on_connected = True
    if proxy.access_log_flush_interval_s:
        options.access_log_flush_interval.CopyFrom(duration(proxy.access_log_flush_interval_s))
    if proxy.after_handshake:
        message.upstream_connect_mode = tcp_proxy_pb2.ON_DOWNSTREAM_TLS_HANDSHAKE
        message.max_early_data_bytes.value = _EARLY_DATA_BYTES
    if proxy.max_connection_duration_s:
        message.max_downstream_connection_duration.CopyFrom(duration(proxy.max_connection_duration_s))
    return message


def _decode_tcp_proxy(message: Any) -> TcpProxy:
    return TcpProxy(
        message.stat_prefix,
        message.cluster,
        tuple(map(decode_log, message.access_log)),
        seconds(message.idle_timeout),
        seconds(message.max_downstream_connection_duration),
        tuple((one.name, one.weight) for one in message.weighted_clusters.clusters),
        message.access_log_options.flush_access_log_on_connected,
        seconds(message.access_log_options.access_log_flush_interval),
        message.upstream_connect_mode == tcp_proxy_pb2.ON_DOWNSTREAM_TLS_HANDSHAKE,
    )
