"""Listeners and their filter chains."""

from __future__ import annotations

from typing import Any, Final

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import base_pb2
from envoy.config.listener.v3 import listener_components_pb2, listener_pb2
from envoy.extensions.filters.listener.http_inspector.v3 import http_inspector_pb2
from envoy.extensions.filters.listener.original_dst.v3 import original_dst_pb2
from envoy.extensions.filters.listener.tls_inspector.v3 import tls_inspector_pb2

from mesh.model.http_filter import AccessLog
from mesh.model.listener import Direction, FilterChain, FilterChainMatch, Listener
from mesh.xds.codec.access_logger import decode_log, encode_tcp_log
from mesh.xds.codec.network_filter import decode_network_filters, encode_network_filters
from mesh.xds.codec.tls import decode_downstream, encode_downstream
from mesh.xds.codec.wire import cidr, cidr_text, duration, pack, seconds, socket_address
from mesh.xds.errors import Rejected

_ORIGINAL_DST: Final = "envoy.filters.listener.original_dst"
_TLS_INSPECTOR: Final = "envoy.filters.listener.tls_inspector"
_HTTP_INSPECTOR: Final = "envoy.filters.listener.http_inspector"
_DIRECTION: Final[tuple[Direction, ...]] = ("UNSPECIFIED", "INBOUND", "OUTBOUND")
_DIRECTION_OF: Final = {base_pb2.TrafficDirection.Value(name): name for name in _DIRECTION}


def encode_listener(listener: Listener) -> Any:
    message = listener_pb2.Listener(
        name=listener.name,
        address=socket_address(listener.address, listener.port),
        filter_chains=[_encode_chain(chain) for chain in listener.filter_chains],
        traffic_direction=listener.direction,
        access_log=[_encode_connection_log(log) for log in listener.access_logs],
        continue_on_listener_filters_timeout=listener.continue_on_listener_filters_timeout,
    )
    if listener.listener_filters_timeout_s is not None:
        message.listener_filters_timeout.CopyFrom(duration(listener.listener_filters_timeout_s))
    if not listener.bind_to_port:
        message.bind_to_port.value = False
    if listener.use_original_dst:
        message.use_original_dst.value = True
    _encode_filters(listener, message.listener_filters)
    if listener.default_filter_chain is not None:
        message.default_filter_chain.CopyFrom(_encode_chain(listener.default_filter_chain))
    return message


def decode_listener(message: Any) -> Listener:
    address = message.address.socket_address
    filters = {listener_filter.name: listener_filter for listener_filter in message.listener_filters}
    timeout_s = seconds(message.listener_filters_timeout)
    has_default = message.HasField("default_filter_chain")
    return Listener(
        name=message.name,
        address=address.address,
        port=address.port_value,
        filter_chains=tuple(map(_decode_chain, message.filter_chains)),
        direction=_DIRECTION_OF.get(message.traffic_direction, "UNSPECIFIED"),
        bind_to_port=not message.HasField("bind_to_port") or message.bind_to_port.value,
        use_original_dst=message.use_original_dst.value,
        inspect_tls=_TLS_INSPECTOR in filters,
        tls_inspector_off=_decode_off(filters.get(_TLS_INSPECTOR)),
        inspect_http=_HTTP_INSPECTOR in filters,
        http_inspector_on=_decode_on(filters.get(_HTTP_INSPECTOR)),
        listener_filters_timeout_s=timeout_s if message.HasField("listener_filters_timeout") else None,
        continue_on_listener_filters_timeout=message.continue_on_listener_filters_timeout,
        original_dst=_ORIGINAL_DST in filters,
        default_filter_chain=_decode_chain(message.default_filter_chain) if has_default else None,
        access_logs=tuple(map(decode_log, message.access_log)),
    )


def _encode_filters(listener: Listener, filters: Any) -> None:
    """In the order in which they run."""
    if listener.original_dst:
        filters.add(name=_ORIGINAL_DST, typed_config=pack(original_dst_pb2.OriginalDst()))
    if listener.inspect_tls:
        made = filters.add(name=_TLS_INSPECTOR, typed_config=pack(tls_inspector_pb2.TlsInspector()))
        if listener.tls_inspector_off:
            _encode_ports(listener.tls_inspector_off, made.filter_disabled)
    if listener.inspect_http:
        made = filters.add(name=_HTTP_INSPECTOR, typed_config=pack(http_inspector_pb2.HttpInspector()))
        if listener.http_inspector_on:
            _encode_ports(listener.http_inspector_on, made.filter_disabled.not_match)


def _encode_ports(ports: tuple[int, ...], predicate: Any) -> None:
    """One of several ports: Envoy's or_match wants two at least."""
    if len(ports) > 1:
        for port in ports:
            _encode_ports((port,), predicate.or_match.rules.add())
    else:
        predicate.destination_port_range.start = ports[0]
        predicate.destination_port_range.end = ports[0] + 1


def _decode_off(listener_filter: Any) -> tuple[int, ...]:
    if listener_filter is None or not listener_filter.HasField("filter_disabled"):
        return ()
    return _decode_ports(listener_filter.filter_disabled)


def _decode_on(listener_filter: Any) -> tuple[int, ...]:
    if listener_filter is None or not listener_filter.HasField("filter_disabled"):
        return ()
    return _decode_ports(listener_filter.filter_disabled.not_match)


def _decode_ports(predicate: Any) -> tuple[int, ...]:
    one_by_one = predicate.or_match.rules or (predicate,)
    return tuple(one.destination_port_range.start for one in one_by_one)


def _encode_connection_log(log: AccessLog) -> Any:
    """A listener logs only the connections that no chain took, as in Istio; chains log their own."""
    message = encode_tcp_log(log)
    message.filter.CopyFrom(accesslog_pb2.AccessLogFilter(response_flag_filter={"flags": ["NR"]}))
    return message


def _encode_chain(chain: FilterChain) -> Any:
    message = listener_components_pb2.FilterChain(
        name=chain.name, filters=encode_network_filters(chain.network_filter)
    )
    if chain.match != FilterChainMatch():
        message.filter_chain_match.CopyFrom(_encode_match(chain.match))
    if chain.tls is not None:
        message.transport_socket.CopyFrom(encode_downstream(chain.tls))
    return message


def _decode_chain(message: Any) -> FilterChain:
    if not message.filters:
        raise Rejected(f"filter chain {message.name!r}: filters: is missing")
    return FilterChain(
        name=message.name,
        network_filter=decode_network_filters(message.filters),
        match=_decode_match(message.filter_chain_match),
        tls=decode_downstream(message.transport_socket) if message.HasField("transport_socket") else None,
    )


def _encode_match(match: FilterChainMatch) -> Any:
    message = listener_components_pb2.FilterChainMatch(
        transport_protocol=match.transport_protocol,
        server_names=match.server_names,
        application_protocols=match.application_protocols,
        prefix_ranges=[cidr(text) for text in match.destination_ranges],
    )
    if match.destination_port is not None:
        message.destination_port.value = match.destination_port
    return message


def _decode_match(message: Any) -> FilterChainMatch:
    protocol = message.transport_protocol
    return FilterChainMatch(
        destination_port=message.destination_port.value if message.HasField("destination_port") else None,
        transport_protocol=protocol if protocol in ("tls", "raw_buffer") else "",
        server_names=tuple(message.server_names),
        application_protocols=tuple(message.application_protocols),
        destination_ranges=tuple(cidr_text(one) for one in message.prefix_ranges),
    )
