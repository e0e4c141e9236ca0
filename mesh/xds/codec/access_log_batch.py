"""Many finished requests as the bytes of one access log message: what the sidecar's sender uses.

Protobuf merges the parts of a message that stand one behind the other. What requests have in common is
encoded once and remembered as one part; so are addresses and what else comes again. The rest is one message
whose fields are overwritten for each request of a batch. A request costs a tenth of ``encode_entry``.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from envoy.config.core.v3 import base_pb2
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2

from mesh.model.node import Node
from mesh.model.request_report import MAX_KNOWN, CommonFacts, RequestReport
from mesh.remember import remember
from mesh.xds.codec.access_log import encode_address, encode_entry, set_messages
from mesh.xds.codec.access_logger import UPSTREAM_TIME_HEADER
from mesh.xds.codec.wire import struct

# what a sender of serialised messages calls; its answer is empty
STREAM_METHOD: Final = "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"

_LOG_ENTRY: Final = b"\x0a"  # HTTPAccessLogEntries.log_entry: field 1, length-delimited
_HTTP_LOGS: Final = b"\x12"  # StreamAccessLogsMessage.http_logs: field 2, length-delimited
_NANOS: Final = 1_000_000_000
_MICROS: Final = 1_000_000


def stream_identifier(node: Node, log_name: str) -> bytes:
    """Who streams which log: a serialised StreamAccessLogsMessage that holds only that."""
    who = base_pb2.Node(id=node.id, cluster=node.workload, metadata=struct(node.to_metadata()))
    message = als_pb2.StreamAccessLogsMessage(identifier={"node": who, "log_name": log_name})
    return bytes(message.SerializeToString())


class BatchEncoder:
    """Keeps what it has made of common facts; one for each sender (it is not for two threads)."""

    def __init__(self) -> None:
        self._common: dict[CommonFacts, bytes] = {}
        self._begin()

    def _begin(self) -> None:
        """A new message for what differs, once a batch: every text that a field has ever had stays in the
        message's arena until the message goes, 240 bytes for each request.
        """
        self._own = accesslog_pb2.HTTPAccessLogEntry()
        self._start = self._own.common_properties.start_time
        self._took = self._own.common_properties.duration
        self._request = self._own.request
        self._response = self._own.response

    def encode(self, reports: Iterable[RequestReport], identifier: bytes = b"") -> bytes:
        """A serialised StreamAccessLogsMessage; ``identifier`` (see above) is for a stream's first."""
        self._begin()
        parts: list[bytes] = []
        for report in reports:
            common = self._common.get(report.common)
            if common is None:
                encoded = bytes(encode_entry(report.common.entry).SerializeToString())
                common = remember(self._common, report.common, encoded, MAX_KNOWN)
            own = self._encode_own(report)
            parts += (_LOG_ENTRY, _varint(len(common) + len(own)), common, own)
        logs = b"".join(parts)
        return b"".join((identifier, _HTTP_LOGS, _varint(len(logs)), logs))

    def _encode_own(self, report: RequestReport) -> bytes:
        """Behind the common facts it decodes as what ``encode_entry`` makes of the whole entry does."""
        start, took, request, response = self._start, self._took, self._request, self._response
        start.seconds, micros = divmod(round(report.start_time * _MICROS), _MICROS)
        start.nanos = micros * 1000
        took.seconds, took.nanos = divmod(round(report.duration_s * _NANOS), _NANOS)
        request.path = report.path
        request.user_agent = report.user_agent
        request.request_id = report.request_id
        request.forwarded_for = report.forwarded_for
        request.request_headers_bytes = report.request_header_bytes
        request.request_body_bytes = report.bytes_received
        response.response_headers_bytes = report.response_header_bytes
        response.response_body_bytes = report.bytes_sent
        service_time_s, requests = report.upstream_service_time_s, report.request_messages
        parts = (
            self._own.SerializeToString(),
            _downstream_remote(report.downstream_remote_address),
            _upstream_local(report.upstream_local_address),
            b"" if service_time_s is None else _service_time(round(service_time_s * 1000)),
            _messages(requests, report.response_messages) if requests or report.response_messages else b"",
        )
        return b"".join(parts)


@lru_cache(maxsize=4096)
def _downstream_remote(text: str) -> bytes:
    return _address("downstream_remote_address", text)


@lru_cache(maxsize=4096)
def _upstream_local(text: str) -> bytes:
    return _address("upstream_local_address", text)


def _address(field: str, text: str) -> bytes:
    common = {field: encode_address(text)} if text else {}
    return bytes(accesslog_pb2.HTTPAccessLogEntry(common_properties=common).SerializeToString())


@lru_cache(maxsize=1024)
def _service_time(milliseconds: int) -> bytes:
    response = {"response_headers": {UPSTREAM_TIME_HEADER: str(milliseconds)}}
    return bytes(accesslog_pb2.HTTPAccessLogEntry(response=response).SerializeToString())


@lru_cache(maxsize=1024)
def _messages(requests: int, responses: int) -> bytes:
    message = accesslog_pb2.HTTPAccessLogEntry()
    set_messages(requests, responses, message.common_properties.filter_state_objects)
    return bytes(message.SerializeToString())


@lru_cache(maxsize=4096)
def _varint(number: int) -> bytes:
    """Protobuf's base 128 varint of a length."""
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
