"""Finished requests on the wire: ``AccessLogEntry`` <-> Envoy's ``HTTPAccessLogEntry``.

Written by our sidecar's sender, read by mixer and by the agent beside an Envoy, so both engines' entries
mean the same. An entry names only the far peer (by custom tag): the near one is the proxy that sends, which
the stream's identifier tells once; ``decode_entry`` takes it as ``local``.
"""

from __future__ import annotations

from typing import Any, Final, cast

from envoy.config.core.v3 import address_pb2, base_pb2
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.extensions.filters.http.grpc_stats.v3 import config_pb2 as grpc_stats_pb2

from mesh.model.access_log_entry import AccessLogEntry, Reporter
from mesh.model.grpc_status import is_grpc_type, status_of_call
from mesh.model.http_filter import DESTINATION_PEER_TAG, REPORTER_TAG, SOURCE_PEER_TAG
from mesh.model.names import INBOUND_PASSTHROUGH_CLUSTER
from mesh.model.peer import UNKNOWN_PEER, Peer
from mesh.xds.codec.access_logger import (
    CONTENT_TYPE,
    GRPC_STATS_FILTER,
    GRPC_STATUS,
    UPSTREAM_LOCAL_TAG,
    UPSTREAM_PEER_TAG,
    UPSTREAM_TIME_HEADER,
)
from mesh.xds.codec.peer import decode_peer, encode_peer
from mesh.xds.codec.response_flags import NONE, decode_flags, encode_flags
from mesh.xds.codec.wire import duration, pack, seconds, socket_address, unpack

_METHODS: Final = dict(base_pb2.RequestMethod.items())
_METHOD_OF: Final = {number: name for name, number in _METHODS.items() if number}
_PROTOCOLS: Final = {"HTTP/1.0": 1, "HTTP/1.1": 2, "HTTP/2": 3, "HTTP/3": 4}  # Envoy's HTTPVersion
_PROTOCOL_OF: Final = {number: name for name, number in _PROTOCOLS.items()}
_TLS_VERSIONS: Final = {"TLSv1": 1, "TLSv1.1": 2, "TLSv1.2": 3, "TLSv1.3": 4}  # Envoy's TLSVersion
_TLS_VERSION_OF: Final = {number: name for name, number in _TLS_VERSIONS.items()}


def encode_entry(entry: AccessLogEntry) -> Any:
    """The message; about 30 us, so a sender uses ``access_log_batch``. The upstream service time is carried
    in whole milliseconds, as its header is.
    """
    message = accesslog_pb2.HTTPAccessLogEntry(
        protocol_version=_PROTOCOLS.get(entry.protocol, 0),
        request=_encode_request(entry),
        response=_encode_response(entry),
    )
    encode_common(entry, message.common_properties)
    filter_state = message.common_properties.filter_state_objects
    set_messages(entry.request_messages, entry.response_messages, filter_state)
    return message


def set_messages(requests: int, responses: int, filter_state: Any) -> None:
    """A call's messages, as grpc_stats leaves them."""
    if requests or responses:
        counted = grpc_stats_pb2.FilterObject(
            request_message_count=requests, response_message_count=responses
        )
        filter_state[GRPC_STATS_FILTER].CopyFrom(pack(counted))


def _encode_request(entry: AccessLogEntry) -> Any:
    method = _METHODS.get(entry.method, 0)
    return accesslog_pb2.HTTPRequestProperties(
        request_method=method,
        scheme=entry.scheme,
        authority=entry.authority,
        path=entry.path,
        user_agent=entry.user_agent,
        forwarded_for=entry.forwarded_for,
        request_id=entry.request_id,
        request_headers_bytes=entry.request_header_bytes,
        request_body_bytes=entry.bytes_received,
        request_headers=None if method else {":method": entry.method},
    )


def _encode_response(entry: AccessLogEntry) -> Any:
    headers = {}
    if entry.upstream_service_time_s is not None:
        headers[UPSTREAM_TIME_HEADER] = str(round(entry.upstream_service_time_s * 1000))
    if entry.grpc_status:
        headers[GRPC_STATUS] = entry.grpc_status
    return accesslog_pb2.HTTPResponseProperties(
        response_code={"value": entry.response_code} if entry.response_code else None,
        response_headers_bytes=entry.response_header_bytes,
        response_body_bytes=entry.bytes_sent,
        response_code_details=entry.response_code_details,
        response_headers=headers,
    )


def encode_common(entry: AccessLogEntry, common: Any) -> None:
    started = common.start_time
    # to the microsecond: of a date in nanoseconds a float does not hold the last digits
    started.seconds, micros = divmod(round(entry.start_time * 1_000_000), 1_000_000)
    started.nanos = micros * 1000
    common.duration.CopyFrom(duration(entry.duration_s))
    common.upstream_cluster = entry.upstream_cluster
    common.route_name = entry.route_name
    common.upstream_transport_failure_reason = entry.upstream_transport_failure_reason
    common.connection_termination_details = entry.connection_termination_details
    if entry.response_flags != NONE:
        common.response_flags.CopyFrom(encode_flags(entry.response_flags))
    for field, address in (
        (common.upstream_remote_address, entry.upstream_host),
        (common.upstream_local_address, entry.upstream_local_address),
        (common.downstream_local_address, entry.downstream_local_address),
        (common.downstream_remote_address, entry.downstream_remote_address),
    ):
        if address:
            field.CopyFrom(encode_address(address))
    common.custom_tags.update(_tags(entry))
    _encode_tls(entry, common.tls_properties)


def encode_address(text: str) -> Any:
    """``address:port`` or ``[v6]:port``; anything else is carried as the path of a pipe."""
    host, colon, port = text.rpartition(":")
    if colon and port.isdecimal() and int(port) < 0x10000:
        return socket_address(host.strip("[]"), int(port))
    return address_pb2.Address(pipe={"path": text})


def _tags(entry: AccessLogEntry) -> dict[str, str]:
    """The reporter, and the far side: its workload, and (outbound only) the two ends of its TLS."""
    inbound = entry.reporter == "destination"
    far = entry.source if inbound else entry.destination
    tags = {
        REPORTER_TAG: entry.reporter,
        SOURCE_PEER_TAG if inbound else DESTINATION_PEER_TAG: "" if far == UNKNOWN_PEER else encode_peer(far),
        UPSTREAM_LOCAL_TAG: "" if inbound else entry.source_principal,
        UPSTREAM_PEER_TAG: "" if inbound else entry.destination_principal,
    }
    return {name: value for name, value in tags.items() if value}


def _encode_tls(entry: AccessLogEntry, tls: Any) -> None:
    """The downstream connection's TLS; its two ends are an inbound entry's principals."""
    if entry.tls_version or entry.requested_server_name:
        tls.tls_version = _TLS_VERSIONS.get(entry.tls_version, 0)
        tls.tls_sni_hostname = entry.requested_server_name
    if entry.reporter == "destination":
        if entry.source_principal:
            tls.peer_certificate_properties.subject_alt_name.add(uri=entry.source_principal)
        if entry.destination_principal:
            tls.local_certificate_properties.subject_alt_name.add(uri=entry.destination_principal)


def decode_entry(message: Any, local: Peer = UNKNOWN_PEER) -> AccessLogEntry:
    """Read an entry of either engine; ``local`` is the workload of the proxy that sent it."""
    common = message.common_properties
    return AccessLogEntry(
        protocol=_PROTOCOL_OF.get(message.protocol_version, ""),
        **common_facts(common, local),
        **_request_facts(message.request),
        **_response_facts(message.response, message.request.request_headers.get(CONTENT_TYPE, "")),
        **_messages(common.filter_state_objects),
    )


def _messages(filter_state: Any) -> dict[str, Any]:
    if GRPC_STATS_FILTER not in filter_state:
        return {}
    counted = unpack(filter_state[GRPC_STATS_FILTER], grpc_stats_pb2.FilterObject)
    return {
        "request_messages": counted.request_message_count,
        "response_messages": counted.response_message_count,
    }


def common_facts(common: Any, local: Peer) -> dict[str, Any]:
    """What entries of requests and of connections say alike."""
    flagged = common.HasField("response_flags")
    reporter = _reporter(common)
    parties = _inbound_parties if reporter == "destination" else _outbound_parties
    return {
        "reporter": reporter,
        **parties(common, local),
        "start_time": seconds(common.start_time),
        "duration_s": _duration(common),
        "response_flags": decode_flags(common.response_flags) if flagged else NONE,
        "connection_termination_details": common.connection_termination_details,
        "upstream_transport_failure_reason": common.upstream_transport_failure_reason,
        "upstream_host": _address_text(common, "upstream_remote_address"),
        "upstream_cluster": common.upstream_cluster,
        "upstream_local_address": _address_text(common, "upstream_local_address"),
        "downstream_local_address": _address_text(common, "downstream_local_address"),
        "downstream_remote_address": _address_text(common, "downstream_remote_address"),
        "requested_server_name": common.tls_properties.tls_sni_hostname,
        "route_name": common.route_name,
        "tls_version": _TLS_VERSION_OF.get(common.tls_properties.tls_version, ""),
    }


def _request_facts(request: Any) -> dict[str, Any]:
    """The path as it was asked for, as Istio logs it: before a rewrite."""
    return {
        "method": _METHOD_OF.get(request.request_method) or request.request_headers.get(":method", ""),
        "path": request.original_path or request.path,
        "authority": request.authority,
        "scheme": request.scheme,
        "user_agent": request.user_agent,
        "request_id": request.request_id,
        "forwarded_for": request.forwarded_for,
        "bytes_received": request.request_body_bytes,
        "request_header_bytes": request.request_headers_bytes,
    }


def _grpc_status(response: Any, content_type: str) -> str:
    """As ``status_of_call``; who does not log the type of a request has said what the status is."""
    said: str = response.response_trailers.get(GRPC_STATUS, "")
    said = said or response.response_headers.get(GRPC_STATUS, "")
    if not content_type:
        return said
    return status_of_call(said, response.response_code.value) if is_grpc_type(content_type) else ""


def _response_facts(response: Any, content_type: str) -> dict[str, Any]:
    headers = response.response_headers
    service_time = headers.get(UPSTREAM_TIME_HEADER, "")
    return {
        "response_code": response.response_code.value,
        "response_code_details": response.response_code_details,
        "bytes_sent": response.response_body_bytes,
        "response_header_bytes": response.response_headers_bytes,
        "upstream_service_time_s": int(service_time) / 1000 if service_time.isdecimal() else None,
        "grpc_status": _grpc_status(response, content_type),
    }


def _inbound_parties(common: Any, local: Peer) -> dict[str, Any]:
    tls = common.tls_properties
    return {
        "source": _peer(_tag(common.custom_tags, SOURCE_PEER_TAG)),
        "source_principal": _uri(tls.peer_certificate_properties),
        "destination": local,
        "destination_principal": _uri(tls.local_certificate_properties),
    }


def _outbound_parties(common: Any, local: Peer) -> dict[str, Any]:
    tags = common.custom_tags
    return {
        "source": local,
        "source_principal": _tag(tags, UPSTREAM_LOCAL_TAG),
        "destination": _peer(_tag(tags, DESTINATION_PEER_TAG)),
        "destination_principal": _tag(tags, UPSTREAM_PEER_TAG),
    }


def _reporter(common: Any) -> Reporter:
    """By tag; a foreign proxy's entries, which have none, by the name of the cluster."""
    told = common.custom_tags.get(REPORTER_TAG, "")
    if told in ("source", "destination"):
        return cast("Reporter", told)
    cluster = common.upstream_cluster
    inbound = cluster.startswith("inbound|") or cluster == INBOUND_PASSTHROUGH_CLUSTER
    return "destination" if inbound else "source"


def _duration(common: Any) -> float:
    took = common.duration if common.HasField("duration") else common.time_to_last_downstream_tx_byte
    return seconds(took)


def _address_text(common: Any, field: str) -> str:
    address = getattr(common, field)
    if address.HasField("socket_address"):
        host, port = address.socket_address.address, address.socket_address.port_value
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return str(address.pipe.path)


def _tag(tags: Any, name: str) -> str:
    """Envoy writes "-" for a formatter that has nothing to say."""
    value = str(tags.get(name, ""))
    return "" if value == "-" else value


def _uri(certificate: Any) -> str:
    return next((str(name.uri) for name in certificate.subject_alt_name if name.uri), "")


def _peer(text: str) -> Peer:
    """A peer header, or an endpoint's ``istio.workload`` text: base64 has no semicolon."""
    if not text:
        return UNKNOWN_PEER
    if ";" not in text:
        return decode_peer(text)
    try:
        return Peer.from_text(text)
    except ValueError:
        return UNKNOWN_PEER
