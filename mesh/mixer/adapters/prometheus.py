"""Istio's standard metrics of the whole mesh, counted from access logs: one scrape instead of one a sidecar.

Names and labels are the sidecars' own (``mesh/model/standard_metrics.py``), so the two can be compared
number by number. At most ``MAX_SERIES`` label sets, then new ones are counted under the value
``overflow``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.connection_reports import ConnectionReports
from mesh.model.node import Node
from mesh.model.standard_metrics import (
    BUCKETS,
    HELP,
    HTTP_LABELS,
    MESSAGE_LABELS,
    REQUEST_BYTES,
    REQUEST_DURATION,
    REQUEST_MESSAGES,
    REQUESTS_TOTAL,
    RESPONSE_BYTES,
    RESPONSE_MESSAGES,
    TCP_CLOSED,
    TCP_LABELS,
    TCP_OPENED,
    TCP_RECEIVED_BYTES,
    TCP_SENT_BYTES,
    duration_ms,
    http_labels,
    is_health_check,
    message_labels,
    overflow_labels,
    request_bytes,
    response_bytes,
    tcp_labels,
)

MAX_SERIES = 20_000  # about 15 kB each in prometheus_client, whose buckets are objects: 300 MB at the worst


class _Series(NamedTuple):
    """One label set of requests."""

    labels: tuple[str, ...]
    requests: Counter
    duration: Histogram
    request: Histogram
    response: Histogram


class Prometheus:
    """The adapter ``prometheus``."""

    def __init__(self, registry: CollectorRegistry, max_series: int = MAX_SERIES) -> None:
        self._max_series = max_series
        self._requests = Counter(REQUESTS_TOTAL, HELP[REQUESTS_TOTAL], HTTP_LABELS, registry=registry)
        self._duration = _histogram(REQUEST_DURATION, registry)
        self._request = _histogram(REQUEST_BYTES, registry)
        self._response = _histogram(RESPONSE_BYTES, registry)
        self._series: dict[tuple[str, ...], _Series] = {}
        self._request_messages, self._response_messages = (
            Counter(name, HELP[name], MESSAGE_LABELS, registry=registry)
            for name in (REQUEST_MESSAGES, RESPONSE_MESSAGES)
        )
        self._opened, self._closed, self._received, self._sent = (
            Counter(name, HELP[name], TCP_LABELS, registry=registry)
            for name in (TCP_OPENED, TCP_CLOSED, TCP_RECEIVED_BYTES, TCP_SENT_BYTES)
        )
        self._connections: dict[tuple[str, ...], tuple[Counter, Counter, Counter, Counter]] = {}
        self._reports: ConnectionReports[tuple[Counter, Counter, Counter, Counter]] = ConnectionReports()

    def handle(self, node: Node, entries: Sequence[AccessLogEntry]) -> None:
        for entry in entries:
            if entry.access_log_type != "DownstreamEnd":
                self._count_connection(entry, node)
                continue
            if is_health_check(entry):
                continue
            series = self._find(entry, node)
            series.requests.inc()
            series.duration.observe(duration_ms(entry))
            series.request.observe(request_bytes(entry))
            series.response.observe(response_bytes(entry))
            if entry.grpc_status:
                labels = message_labels(series.labels)
                self._request_messages.labels(*labels).inc(entry.request_messages)
                self._response_messages.labels(*labels).inc(entry.response_messages)

    def close(self) -> None:
        pass

    def _find(self, entry: AccessLogEntry, node: Node) -> _Series:
        labels = http_labels(entry, node)
        found = self._series.get(labels)
        if found is None and len(self._series) >= self._max_series:
            labels = overflow_labels(entry)
            found = self._series.get(labels)
        if found is None:
            found = self._series[labels] = _Series(
                labels,
                self._requests.labels(*labels),
                self._duration.labels(*labels),
                self._request.labels(*labels),
                self._response.labels(*labels),
            )
        return found

    def _count_connection(self, entry: AccessLogEntry, node: Node) -> None:
        growth = self._reports.take(entry, partial(self._of_connection, entry, node))
        opened, closed, received, sent = growth.series
        opened.inc(growth.opened)
        closed.inc(growth.closed)
        received.inc(growth.received)
        sent.inc(growth.sent)

    def _of_connection(self, entry: AccessLogEntry, node: Node) -> tuple[Counter, Counter, Counter, Counter]:
        labels = tcp_labels(entry, node)
        found = self._connections.get(labels)
        if found is None and len(self._connections) >= self._max_series:
            labels = overflow_labels(entry, TCP_LABELS)
            found = self._connections.get(labels)
        if found is None:
            found = self._connections[labels] = (
                self._opened.labels(*labels),
                self._closed.labels(*labels),
                self._received.labels(*labels),
                self._sent.labels(*labels),
            )
        return found


def _histogram(name: str, registry: CollectorRegistry) -> Histogram:
    return Histogram(name, HELP[name], HTTP_LABELS, buckets=BUCKETS, registry=registry)
