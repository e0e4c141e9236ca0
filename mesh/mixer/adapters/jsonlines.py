"""Every finished request of the mesh, and every finished connection that is only bytes, as one line of JSON.

Keys are those of Istio's JSON access log, then ``proxy`` (who reported it) and the labels of Istio's
standard metrics. The file is rotated by size: ``access_log.jsonl`` is being written, ``.1`` is the one
before, and so on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node
from mesh.model.standard_metrics import HTTP_LABELS, TCP_LABELS, http_labels, tcp_labels

MAX_BYTES = 64 * 1024 * 1024  # a line is about 1.5 kB
KEPT = 3  # rotated files beside the one being written


def record(node: Node, entry: AccessLogEntry) -> dict[str, Any]:
    """One request or connection as the line's object; what is not known is null, durations are whole
    milliseconds."""
    service_time = entry.upstream_service_time_s
    if entry.access_log_type == "DownstreamEnd":
        labels = dict(zip(HTTP_LABELS, http_labels(entry, node), strict=True))
    else:
        labels = dict(zip(TCP_LABELS, tcp_labels(entry, node), strict=True))
    return labels | {
        "start_time": start_time(entry.start_time),
        "route_name": entry.route_name or None,
        "method": entry.method,
        "path": entry.path,
        "protocol": entry.protocol,
        "response_code": entry.response_code,
        "response_flags": entry.response_flags,
        "response_code_details": entry.response_code_details or None,
        "connection_termination_details": entry.connection_termination_details or None,
        "bytes_received": entry.bytes_received,
        "bytes_sent": entry.bytes_sent,
        "duration": int(entry.duration_s * 1000),
        "upstream_service_time": None if service_time is None else int(service_time * 1000),
        "x_forwarded_for": entry.forwarded_for or None,
        "user_agent": entry.user_agent or None,
        "request_id": entry.request_id or None,
        "authority": entry.authority,
        "upstream_host": entry.upstream_host or None,
        "upstream_cluster": entry.upstream_cluster or None,
        "upstream_local_address": entry.upstream_local_address or None,
        "downstream_local_address": entry.downstream_local_address or None,
        "downstream_remote_address": entry.downstream_remote_address or None,
        "requested_server_name": entry.requested_server_name or None,
        "upstream_transport_failure_reason": entry.upstream_transport_failure_reason or None,
        "proxy": f"{node.name}.{node.namespace}",
    }


def start_time(at: float) -> str | None:
    """Envoy's %START_TIME%, in UTC with milliseconds; None for a time no calendar has."""
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (OverflowError, OSError, ValueError):
        return None
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class JsonLines:
    """The adapter ``jsonlines``. Raises OSError when the file cannot be opened."""

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._kept = kept
        self._file = self._open()

    def handle(self, node: Node, entries: Sequence[AccessLogEntry]) -> None:
        over = [entry for entry in entries if entry.access_log_type in ("DownstreamEnd", "TcpConnectionEnd")]
        lines = [json.dumps(record(node, entry), separators=(",", ":")) + "\n" for entry in over]
        if self._file.tell() >= self._max_bytes:
            self._rotate()
        self._file.write("".join(lines))
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _open(self) -> TextIO:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("a", encoding="utf-8")
        file.seek(0, os.SEEK_END)
        return file

    def _rotate(self) -> None:
        self._file.close()
        for number in range(self._kept, 0, -1):
            older = self.path if number == 1 else self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        self._file = self._open()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
