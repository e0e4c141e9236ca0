"""Active health checks of a cluster."""

from __future__ import annotations

from typing import Any, Final

from envoy.config.core.v3 import base_pb2, health_check_pb2
from envoy.type.v3 import http_pb2

from mesh.model.health_check import GrpcHealthCheck, HealthCheck, HttpHealthCheck, Statuses, TcpHealthCheck
from mesh.xds.codec.wire import duration, seconds
from mesh.xds.errors import Rejected

_OVERWRITE: Final = base_pb2.HeaderValueOption.OVERWRITE_IF_EXISTS_OR_ADD
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH")
_METHOD_OF: Final = {base_pb2.RequestMethod.Value(name): name for name in _METHODS}
# Envoy's field -> the model's; None is left out
_TIMES: Final = {
    "timeout": "timeout_s",
    "interval": "interval_s",
    "no_traffic_interval": "no_traffic_interval_s",
    "no_traffic_healthy_interval": "no_traffic_healthy_interval_s",
    "unhealthy_interval": "unhealthy_interval_s",
    "unhealthy_edge_interval": "unhealthy_edge_interval_s",
    "healthy_edge_interval": "healthy_edge_interval_s",
}
_JITTERS: Final = {"initial_jitter": "initial_jitter_s", "interval_jitter": "interval_jitter_s"}


def encode_health_check(rules: HealthCheck) -> Any:
    message = health_check_pb2.HealthCheck(
        unhealthy_threshold={"value": rules.unhealthy_threshold},
        healthy_threshold={"value": rules.healthy_threshold},
        interval_jitter_percent=rules.interval_jitter_percent,
    )
    for field, name in _TIMES.items():
        if getattr(rules, name) is not None:
            getattr(message, field).CopyFrom(duration(getattr(rules, name)))
    for field, name in _JITTERS.items():
        if getattr(rules, name):
            getattr(message, field).CopyFrom(duration(getattr(rules, name)))
    if not rules.reuse_connection:
        message.reuse_connection.value = False
    if rules.alpn:
        message.tls_options.alpn_protocols.extend(rules.alpn)
    match rules.check:
        case HttpHealthCheck():
            message.http_health_check.CopyFrom(_encode_http(rules.check))
        case TcpHealthCheck():
            message.tcp_health_check.CopyFrom(_encode_tcp(rules.check))
        case GrpcHealthCheck():
            message.grpc_health_check.SetInParent()
            message.grpc_health_check.service_name = rules.check.service_name
            message.grpc_health_check.authority = rules.check.authority
    return message


def decode_health_check(message: Any) -> HealthCheck:
    times = {
        name: seconds(getattr(message, field)) for field, name in _TIMES.items() if message.HasField(field)
    }
    return HealthCheck(
        _decode_check(message),
        unhealthy_threshold=message.unhealthy_threshold.value,
        healthy_threshold=message.healthy_threshold.value,
        interval_jitter_percent=message.interval_jitter_percent,
        reuse_connection=not message.HasField("reuse_connection") or message.reuse_connection.value,
        alpn=tuple(message.tls_options.alpn_protocols),
        **times,
        **{name: seconds(getattr(message, field)) for field, name in _JITTERS.items()},
    )


def _decode_check(message: Any) -> HttpHealthCheck | TcpHealthCheck | GrpcHealthCheck:
    match message.WhichOneof("health_checker"):
        case "http_health_check":
            return _decode_http(message.http_health_check)
        case "tcp_health_check":
            tcp = message.tcp_health_check
            return TcpHealthCheck(_bytes(tcp.send), tuple(map(_bytes, tcp.receive)))
        case "grpc_health_check":
            grpc = message.grpc_health_check
            return GrpcHealthCheck(grpc.service_name, grpc.authority)
        case other:
            raise Rejected(f"health_checks[0].{other or 'health_checker'}: not supported")


def _encode_http(check: HttpHealthCheck) -> Any:
    message = health_check_pb2.HealthCheck.HttpHealthCheck(
        path=check.path,
        host=check.host,
        method=check.method,
        expected_statuses=_ranges(check.expected_statuses),
        retriable_statuses=_ranges(check.retriable_statuses),
        receive=map(_payload, check.receive),
        codec_client_type=http_pb2.HTTP2 if check.http2 else http_pb2.HTTP1,
    )
    for name, value in check.headers:
        if "%" in value:
            raise Rejected(f"http_health_check.request_headers_to_add: {name}: commands are not supported")
        header = {"key": name, "value": value}
        message.request_headers_to_add.add(
            header=header, append_action=_OVERWRITE, keep_empty_value=not value
        )
    return message


def _decode_http(message: Any) -> HttpHealthCheck:
    return HttpHealthCheck(
        path=message.path,
        host=message.host,
        method=_METHOD_OF.get(message.method, "GET"),
        headers=tuple((option.header.key, option.header.value) for option in message.request_headers_to_add),
        expected_statuses=_decode_ranges(message.expected_statuses),
        retriable_statuses=_decode_ranges(message.retriable_statuses),
        receive=tuple(map(_bytes, message.receive)),
        http2=message.codec_client_type == http_pb2.HTTP2,
    )


def _encode_tcp(check: TcpHealthCheck) -> Any:
    message = health_check_pb2.HealthCheck.TcpHealthCheck(receive=map(_payload, check.receive))
    if check.send:
        message.send.CopyFrom(_payload(check.send))
    return message


def _payload(data: bytes) -> Any:
    """Bytes go as hexadecimal text."""
    return health_check_pb2.HealthCheck.Payload(text=data.hex())


def _bytes(payload: Any) -> bytes:
    try:
        return bytes.fromhex(payload.text)
    except ValueError:
        raise Rejected(f"health_checks[0]: expected hexadecimal text, got {payload.text!r}") from None


def _ranges(statuses: Statuses) -> list[dict[str, int]]:
    return [{"start": start, "end": end} for start, end in statuses]


def _decode_ranges(ranges: Any) -> Statuses:
    return tuple((one.start, one.end) for one in ranges)
