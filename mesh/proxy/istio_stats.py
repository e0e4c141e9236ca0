"""Istio's standard metrics in the sidecar: counted at the end of every request, so made to be cheap.

Two maps for requests. ``_fast`` goes from the few facts that tell one label set from another to its series;
its key is a tuple of strings that exist already, and of the peers' ids (a series keeps its peers alive, so an
id means one peer). A miss there computes the 25 labels and looks in ``series``, which says what there is to
report.

Connections that are only bytes are few beside requests: ``connections`` has the series of each label set.

Bounds: at most ``MAX_SERIES`` label sets of each kind, then everything new is counted in Istio's labels with
the value ``overflow`` (and in ``overflowed``); ``_fast`` is emptied when it grows past ``MAX_FAST``.
"""

from __future__ import annotations

from bisect import bisect_left

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.connection_reports import ConnectionReports
from mesh.model.node import Node
from mesh.model.standard_metrics import (
    BUCKETS,
    HEALTH_CHECKER,
    TCP_LABELS,
    http_labels,
    is_health_check,
    message_labels,
    overflow_labels,
    tcp_labels,
)

# A series takes about 1.5 kB: the bounds are 3 MB of series and 2 MB of keys at the worst.
MAX_SERIES = 2048
MAX_FAST = 8192

_BUCKETS = list(BUCKETS)
_Key = tuple[str, int, int, str, str, str, str, str, int, str, str, str]


class Series:
    """One label set's numbers. The requests counted are the durations observed: ``sum(duration)``.

    The lists have a count for each bucket (not cumulated), the last for +Inf. ``messages`` is where those of
    its calls are counted, with others', once there was one.
    """

    __slots__ = (
        "duration",
        "duration_sum",
        "labels",
        "messages",
        "request",
        "request_sum",
        "response",
        "response_sum",
    )

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels
        self.messages: MessageSeries | None = None
        self.clear()

    def clear(self) -> None:
        self.duration = [0] * (len(BUCKETS) + 1)
        self.request = [0] * (len(BUCKETS) + 1)
        self.response = [0] * (len(BUCKETS) + 1)
        self.duration_sum = 0.0
        self.request_sum = 0
        self.response_sum = 0

    def add(self, more: Series) -> None:
        self.duration = [*map(sum, zip(self.duration, more.duration, strict=True))]
        self.request = [*map(sum, zip(self.request, more.request, strict=True))]
        self.response = [*map(sum, zip(self.response, more.response, strict=True))]
        self.duration_sum += more.duration_sum
        self.request_sum += more.request_sum
        self.response_sum += more.response_sum

    @property
    def requests(self) -> int:
        return sum(self.duration)


class MessageSeries:
    """The messages of gRPC calls between two workloads."""

    __slots__ = ("labels", "requests", "responses")

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels
        self.clear()

    def clear(self) -> None:
        self.requests = self.responses = 0

    def add(self, more: MessageSeries) -> None:
        self.requests += more.requests
        self.responses += more.responses


class ConnectionSeries:
    """One label set's connections that are only bytes."""

    __slots__ = ("closed", "labels", "opened", "received", "sent")

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.labels = labels
        self.clear()

    def clear(self) -> None:
        self.opened = self.closed = self.received = self.sent = 0

    def add(self, more: ConnectionSeries) -> None:
        self.opened += more.opened
        self.closed += more.closed
        self.received += more.received
        self.sent += more.sent


class IstioStats:
    """``record`` each finished request, ``record_connection`` each report of a connection; ``series``,
    ``messages`` and ``connections`` are what a scrape reads."""

    def __init__(self, node: Node, max_series: int = MAX_SERIES) -> None:
        self.node = node
        self.series: dict[tuple[str, ...], Series] = {}
        self.messages: dict[tuple[str, ...], MessageSeries] = {}
        self.connections: dict[tuple[str, ...], ConnectionSeries] = {}
        self.overflowed = 0  # requests and connections that fell into an overflow series
        self._max_series = max_series
        self._fast: dict[_Key, Series] = {}
        self._peers: dict[int, object] = {}  # what the ids in _fast's keys stand for
        self._reports: ConnectionReports[ConnectionSeries] = ConnectionReports()

    def record(self, entry: AccessLogEntry) -> None:
        if entry.user_agent == HEALTH_CHECKER and is_health_check(entry):
            return
        key = (
            entry.reporter,
            id(entry.source),
            id(entry.destination),
            entry.source_principal,
            entry.destination_principal,
            entry.upstream_cluster,
            entry.authority,
            entry.route_name,
            entry.response_code,
            entry.response_flags,
            entry.grpc_status,
            entry.tls_version,
        )
        series = self._fast.get(key)
        if series is None:
            series = self._find(key, entry)
        milliseconds = entry.duration_s * 1000.0
        series.duration[bisect_left(_BUCKETS, milliseconds)] += 1
        series.duration_sum += milliseconds
        size = entry.bytes_received + entry.request_header_bytes
        series.request[bisect_left(_BUCKETS, size)] += 1
        series.request_sum += size
        size = entry.bytes_sent + entry.response_header_bytes
        series.response[bisect_left(_BUCKETS, size)] += 1
        series.response_sum += size
        if entry.grpc_status:
            messages = series.messages or self._find_messages(series)
            messages.requests += entry.request_messages
            messages.responses += entry.response_messages

    def _find_messages(self, series: Series) -> MessageSeries:
        labels = message_labels(series.labels)
        series.messages = self.messages.setdefault(labels, MessageSeries(labels))
        return series.messages

    def record_connection(self, entry: AccessLogEntry) -> None:
        growth = self._reports.take(entry, lambda: self._find_connections(entry))
        series = growth.series
        series.opened += growth.opened
        series.closed += growth.closed
        series.received += growth.received
        series.sent += growth.sent

    def _find_connections(self, entry: AccessLogEntry) -> ConnectionSeries:
        labels = tcp_labels(entry, self.node)
        if labels not in self.connections and len(self.connections) >= self._max_series:
            self.overflowed += 1
            labels = overflow_labels(entry, TCP_LABELS)
        return self.connections.setdefault(labels, ConnectionSeries(labels))

    def add(self, more: IstioStats) -> None:
        """Another worker's numbers."""
        for labels, series in more.series.items():
            self.series.setdefault(labels, Series(labels)).add(series)
        for labels, messages in more.messages.items():
            self.messages.setdefault(labels, MessageSeries(labels)).add(messages)
        for labels, connections in more.connections.items():
            self.connections.setdefault(labels, ConnectionSeries(labels)).add(connections)
        self.overflowed += more.overflowed

    def reset(self) -> None:
        """Envoy's /reset_counters: the numbers go, the series stay."""
        for series in self.series.values():
            series.clear()
        for messages in self.messages.values():
            messages.clear()
        for connections in self.connections.values():
            connections.clear()
        self.overflowed = 0

    def _find(self, key: _Key, entry: AccessLogEntry) -> Series:
        labels = http_labels(entry, self.node)
        series = self.series.get(labels)
        if series is None and len(self.series) >= self._max_series:
            self.overflowed += 1
            return self._overflow(entry)
        if series is None:
            series = self.series[labels] = Series(labels)
        if len(self._fast) >= MAX_FAST:
            self._fast.clear()
            self._peers.clear()
        self._fast[key] = series
        self._peers[key[1]] = entry.source
        self._peers[key[2]] = entry.destination
        return series

    def _overflow(self, entry: AccessLogEntry) -> Series:
        labels = overflow_labels(entry)
        series = self.series.get(labels)
        if series is None:
            series = self.series[labels] = Series(labels)
        return series
