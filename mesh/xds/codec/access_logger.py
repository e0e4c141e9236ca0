"""Where a connection manager, a TCP proxy or a listener logs to: a text file, or the access log service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from envoy.config.accesslog.v3 import accesslog_pb2
from envoy.config.core.v3 import config_source_pb2, grpc_service_pb2
from envoy.data.accesslog.v3 import accesslog_pb2 as data_accesslog_pb2
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.access_loggers.grpc.v3 import als_pb2
from envoy.type.metadata.v3 import metadata_pb2
from envoy.type.tracing.v3 import custom_tag_pb2

from mesh.model.access_log_entry import AccessLogType
from mesh.model.http_filter import AccessLog, FileAccessLog, GrpcAccessLog, MetadataTag
from mesh.xds.codec.wire import duration, pack, seconds, unpack
from mesh.xds.errors import Rejected

# Istio's default line (mesh configuration accessLogFormat), with the formatters every Envoy has
ISTIO_FORMAT: Final = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% '
    "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% '
    '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% '
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n"
)
UPSTREAM_TIME_HEADER: Final = "x-envoy-upstream-service-time"
GRPC_STATUS: Final = "grpc-status"
CONTENT_TYPE: Final = "content-type"
# the filter whose counts of messages an entry carries as an object of filter state, under the filter's name
GRPC_STATS_FILTER: Final = "envoy.filters.http.grpc_stats"
# what Envoy's log message has no field for and an AccessLogEntry needs: the TLS peers of the upstream side
UPSTREAM_PEER_TAG: Final = "upstream_peer_principal"
UPSTREAM_LOCAL_TAG: Final = "upstream_local_principal"
_PRINCIPAL_TAGS: Final = {
    UPSTREAM_PEER_TAG: "%UPSTREAM_PEER_URI_SAN%",
    UPSTREAM_LOCAL_TAG: "%UPSTREAM_LOCAL_URI_SAN%",
}
_FILE: Final = "envoy.access_loggers.file"
_HTTP_GRPC: Final = "envoy.access_loggers.http_grpc"
_TCP_GRPC: Final = "envoy.access_loggers.tcp_grpc"
_TYPE_OF: Final = data_accesslog_pb2.AccessLogType.Name


def encode_http_log(log: AccessLog) -> Any:
    """For a connection manager."""
    if isinstance(log, FileAccessLog):
        return _logger(_FILE, _encode_file(log), log.types)
    config = als_pb2.HttpGrpcAccessLogConfig(
        common_config=_encode_grpc(log, filter_state=[GRPC_STATS_FILTER]),
        additional_request_headers_to_log=[CONTENT_TYPE],
        additional_response_headers_to_log=[UPSTREAM_TIME_HEADER, GRPC_STATUS],
        additional_response_trailers_to_log=[GRPC_STATUS],
    )
    return _logger(_HTTP_GRPC, config, log.types)


def encode_tcp_log(log: AccessLog) -> Any:
    """For a TCP proxy or a listener."""
    if isinstance(log, FileAccessLog):
        return _logger(_FILE, _encode_file(log), log.types)
    return _logger(_TCP_GRPC, als_pb2.TcpGrpcAccessLogConfig(common_config=_encode_grpc(log)), log.types)


def decode_log(message: Any) -> AccessLog:
    types = tuple(map(_TYPE_OF, message.filter.log_type_filter.types))
    match message.name:
        case "envoy.access_loggers.file":
            return FileAccessLog(unpack(message.typed_config, file_pb2.FileAccessLog).path, types)
        case "envoy.access_loggers.http_grpc":
            config = unpack(message.typed_config, als_pb2.HttpGrpcAccessLogConfig)
        case "envoy.access_loggers.tcp_grpc":
            config = unpack(message.typed_config, als_pb2.TcpGrpcAccessLogConfig)
        case other:
            raise Rejected(f"access_log: {other!r} is not supported")
    return replace(_decode_grpc(config.common_config), types=types)


def _logger(name: str, config: Any, types: tuple[AccessLogType, ...]) -> Any:
    logger = accesslog_pb2.AccessLog(name=name, typed_config=pack(config))
    if types:
        logger.filter.log_type_filter.types.extend(types)
    return logger


def _encode_file(log: FileAccessLog) -> Any:
    text = {"text_format_source": {"inline_string": ISTIO_FORMAT}}
    return file_pb2.FileAccessLog(path=log.path, log_format=text)


def _encode_grpc(log: GrpcAccessLog, filter_state: Sequence[str] = ()) -> Any:
    return als_pb2.CommonGrpcAccessLogConfig(
        log_name=log.log_name,
        grpc_service=grpc_service_pb2.GrpcService(envoy_grpc={"cluster_name": log.cluster}),
        transport_api_version=config_source_pb2.ApiVersion.Value("V3"),
        buffer_flush_interval=duration(log.flush_interval_s),
        buffer_size_bytes={"value": log.buffer_bytes},
        filter_state_objects_to_log=filter_state,
        custom_tags=[*map(_encode_tag, log.tags), *_principal_tags()],
    )


def _decode_grpc(common: Any) -> GrpcAccessLog:
    tags = [tag for tag in common.custom_tags if tag.tag not in _PRINCIPAL_TAGS]
    return GrpcAccessLog(
        log_name=common.log_name,
        cluster=common.grpc_service.envoy_grpc.cluster_name,
        tags=tuple(map(_decode_tag, tags)),
        flush_interval_s=seconds(common.buffer_flush_interval),
        buffer_bytes=common.buffer_size_bytes.value,
    )


def _principal_tags() -> list[Any]:
    return [custom_tag_pb2.CustomTag(tag=tag, value=command) for tag, command in _PRINCIPAL_TAGS.items()]


def _encode_tag(tag: MetadataTag) -> Any:
    message = custom_tag_pb2.CustomTag(tag=tag.tag)
    if tag.kind == "literal":
        message.literal.value = tag.namespace
        return message
    kind = metadata_pb2.MetadataKind()
    getattr(kind, tag.kind).SetInParent()
    message.metadata.kind.CopyFrom(kind)
    message.metadata.metadata_key.key = tag.namespace
    message.metadata.metadata_key.path.add(key=tag.key)
    return message


def _decode_tag(message: Any) -> MetadataTag:
    if message.WhichOneof("type") == "literal":
        return MetadataTag(message.tag, "literal", message.literal.value)
    wanted = message.metadata.metadata_key
    key = wanted.path[0].key if wanted.path else ""
    kind = message.metadata.kind.WhichOneof("kind")
    return MetadataTag(message.tag, "host" if kind == "host" else "request", wanted.key, key)
