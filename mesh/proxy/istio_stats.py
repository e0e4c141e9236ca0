"""Istio's standard metrics in the sidecar: counted at the end of every request, so made to be cheap.

Two maps for requests. ``_known`` goes from the facts that requests have in common to the series they are
counted in. A miss there computes the 25 labels and looks in ``series``, which says what there is to report.

Connections that are only bytes are few beside requests: ``connections`` has the series of each label set.

Bounds: at most ``MAX_SERIES`` label sets of each kind, then everything new is counted in Istio's labels with
the value ``overflow`` (and in ``overflowed``).
"""

from __future__ import annotations

from bisect import bisect_left

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.connection_reports import ConnectionReports
from mesh.model.node import Node
from mesh.model.request_report import MAX_KNOWN, CommonFacts, RequestReport
from mesh.model.standard_metrics import (
    BUCKETS,
    HEALTH_CHECKER,
    TCP_LABELS,
    http_labels,
    may_check_health,
    message_labels,
    overflow_labels,
    tcp_labels,
)
from mesh.remember import remember

MAX_SERIES = 2048  # about 1.5 kB each

_MILLISECONDS = list(BUCKETS)
_BYTES = [int(bound) for bound in BUCKETS]  # whole numbers are compared faster with their like
_HEALTH_CHECKER = HEALTH_CHECKER.encode()


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
        self._known: dict[CommonFacts, Series] = {}
        self._reports: ConnectionReports[ConnectionSeries] = ConnectionReports()

    def record(self, report: RequestReport) -> None:
        common = report.common
        if report.user_agent == _HEALTH_CHECKER and may_check_health(common.entry):
            return
        series = self._known.get(common)
        if series is None:
            series = self._find(common)
        milliseconds = report.duration_s * 1000.0
        series.duration[bisect_left(_MILLISECONDS, milliseconds)] += 1
        series.duration_sum += milliseconds
        size = report.bytes_received + report.request_header_bytes
        series.request[bisect_left(_BYTES, size)] += 1
        series.request_sum += size
        size = report.bytes_sent + report.response_header_bytes
        series.response[bisect_left(_BYTES, size)] += 1
        series.response_sum += size
        if common.entry.grpc_status:
            messages = series.messages or self._find_messages(series)
            messages.requests += report.request_messages
            messages.responses += report.response_messages

    def _find(self, common: CommonFacts) -> Series:
        labels = http_labels(common.entry, self.node)
        if labels not in self.series and len(self.series) >= self._max_series:
            self.overflowed += 1  # each of them: so what is found here is not remembered
            labels = overflow_labels(common.entry)
            return self.series.setdefault(labels, Series(labels))
        series = self.series.setdefault(labels, Series(labels))
        return remember(self._known, common, series, MAX_KNOWN)

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
