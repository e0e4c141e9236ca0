"""Reports of connections that are only bytes, on the wire: ``AccessLogEntry`` <-> ``TCPAccessLogEntry``.

As ``access_log`` does for requests: written by our sidecar's sender, read by mixer and by the agent beside an
Envoy.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, cast

from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2

from mesh.model.access_log_entry import AccessLogEntry, AccessLogType
from mesh.model.peer import UNKNOWN_PEER, Peer
from mesh.xds.codec.access_log import common_facts, encode_common

_TYPE: Final = accesslog_pb2.AccessLogType


def encode_connection(entry: AccessLogEntry) -> Any:
    message = accesslog_pb2.TCPAccessLogEntry(
        connection_properties={"received_bytes": entry.bytes_received, "sent_bytes": entry.bytes_sent}
    )
    common = message.common_properties
    encode_common(entry, common)
    common.stream_id = entry.stream_id
    common.access_log_type = _TYPE.Value(entry.access_log_type)
    common.intermediate_log_entry = entry.access_log_type == "TcpPeriodic"
    return message


def decode_connection(message: Any, local: Peer = UNKNOWN_PEER) -> AccessLogEntry:
    """Read a report of either engine; ``local`` is the workload of the proxy that sent it.

    A proxy that does not say which moment it is reports at the end alone.
    """
    common, counted = message.common_properties, message.connection_properties
    said = common.access_log_type
    return AccessLogEntry(
        method="",
        path="",
        protocol="",
        authority="",
        response_code=0,
        bytes_received=counted.received_bytes,
        bytes_sent=counted.sent_bytes,
        access_log_type=cast("AccessLogType", _TYPE.Name(said)) if said else "TcpConnectionEnd",
        stream_id=common.stream_id,
        **common_facts(common, local),
    )


class ConnectionBatchEncoder:
    """The sender's encoder for connections, which are few beside requests: nothing is remembered."""

    def encode(self, entries: Iterable[AccessLogEntry], identifier: bytes = b"") -> bytes:
        """A serialised StreamAccessLogsMessage; ``identifier`` is for a stream's first."""
        logs = {"log_entry": [encode_connection(entry) for entry in entries]}
        return identifier + bytes(als_pb2.StreamAccessLogsMessage(tcp_logs=logs).SerializeToString())
