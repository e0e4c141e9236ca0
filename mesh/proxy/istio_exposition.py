"""Istio's standard metrics as Prometheus text; the sidecar's and the agent's ``/stats/prometheus`` end
with it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import accumulate

from mesh.model.standard_metrics import (
    BUCKETS,
    BUILD,
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
)
from mesh.proxy.istio_stats import ConnectionSeries, IstioStats, MessageSeries, Series

_BOUNDS = (*(f"{bound:.15g}" for bound in BUCKETS), "+Inf")
_OF_MESSAGES = ((REQUEST_MESSAGES, "requests"), (RESPONSE_MESSAGES, "responses"))
_OF_CONNECTIONS = (
    (TCP_SENT_BYTES, "sent"),
    (TCP_RECEIVED_BYTES, "received"),
    (TCP_OPENED, "opened"),
    (TCP_CLOSED, "closed"),
)
# what was counted under the label value "overflow", because there were too many label sets; our own
OVERFLOWED = "mesh_istio_stats_overflow_total"


def escape(value: str) -> str:
    """A label's value as the exposition format wants it."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def labels_text(labels: Mapping[str, str]) -> str:
    """``{a="x",b="y"}``, or nothing when there are none."""
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{escape(value)}"' for name, value in labels.items()) + "}"


def prometheus(stats: IstioStats, tag: str) -> str:
    """Every series, and ``istio_build`` with the version ``tag``."""
    known = [(_inner(series), series) for series in stats.series.values()]
    parts = [f"# TYPE {REQUESTS_TOTAL} counter\n"]
    parts.extend(f"{REQUESTS_TOTAL}{{{labels}}} {series.requests}\n" for labels, series in known)
    parts.append(f"# TYPE {REQUEST_DURATION} histogram\n")
    for labels, series in known:
        parts.extend(_histogram(REQUEST_DURATION, labels, series.duration, series.duration_sum))
    parts.append(f"# TYPE {REQUEST_BYTES} histogram\n")
    for labels, series in known:
        parts.extend(_histogram(REQUEST_BYTES, labels, series.request, series.request_sum))
    parts.append(f"# TYPE {RESPONSE_BYTES} histogram\n")
    for labels, series in known:
        parts.extend(_histogram(RESPONSE_BYTES, labels, series.response, series.response_sum))
    parts.extend(_counters(_OF_MESSAGES, MESSAGE_LABELS, stats.messages.values()))
    parts.extend(_counters(_OF_CONNECTIONS, TCP_LABELS, stats.connections.values()))
    build = labels_text({"component": "proxy", "tag": tag})
    parts.append(f"# TYPE {BUILD} gauge\n{BUILD}{build} 1\n")
    parts.append(f"# TYPE {OVERFLOWED} counter\n{OVERFLOWED} {stats.overflowed}\n")
    return "".join(parts)


def _counters(
    metrics: Iterable[tuple[str, str]],
    labels: Sequence[str],
    known: Collection[ConnectionSeries] | Collection[MessageSeries],
) -> Iterable[str]:
    """``metrics`` pairs a name with the attribute of a series that it shows."""
    labelled = [(labels_text(dict(zip(labels, series.labels, strict=True))), series) for series in known]
    for name, attribute in metrics:
        yield f"# TYPE {name} counter\n"
        yield from (f"{name}{text} {getattr(series, attribute)}\n" for text, series in labelled)


def _inner(series: Series) -> str:
    return labels_text(dict(zip(HTTP_LABELS, series.labels, strict=True)))[1:-1]


def _histogram(name: str, labels: str, counts: Sequence[int], total: float) -> Iterable[str]:
    at_most = list(accumulate(counts))
    for bound, count in zip(_BOUNDS, at_most, strict=True):
        yield f'{name}_bucket{{{labels},le="{bound}"}} {count}\n'
    yield f"{name}_sum{{{labels}}} {total}\n"
    yield f"{name}_count{{{labels}}} {at_most[-1]}\n"
