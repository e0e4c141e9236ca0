"""Istio's standard metrics as Prometheus text; the sidecar's and the agent's ``/stats/prometheus`` end
with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate

from mesh.model.standard_metrics import (
    BUCKETS,
    BUILD,
    HTTP_LABELS,
    REQUEST_BYTES,
    REQUEST_DURATION,
    REQUESTS_TOTAL,
    RESPONSE_BYTES,
)
from mesh.proxy.istio_stats import IstioStats, Series

_BOUNDS = (*(f"{bound:.15g}" for bound in BUCKETS), "+Inf")
# requests counted under the label value "overflow", because there were too many label sets; our own
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
    build = labels_text({"component": "proxy", "tag": tag})
    parts.append(f"# TYPE {BUILD} gauge\n{BUILD}{build} 1\n")
    parts.append(f"# TYPE {OVERFLOWED} counter\n{OVERFLOWED} {stats.overflowed}\n")
    return "".join(parts)


def _inner(series: Series) -> str:
    return labels_text(dict(zip(HTTP_LABELS, series.labels, strict=True)))[1:-1]


def _histogram(name: str, labels: str, counts: Sequence[int], total: float) -> Iterable[str]:
    at_most = list(accumulate(counts))
    for bound, count in zip(_BOUNDS, at_most, strict=True):
        yield f'{name}_bucket{{{labels},le="{bound}"}} {count}\n'
    yield f"{name}_sum{{{labels}}} {total}\n"
    yield f"{name}_count{{{labels}}} {at_most[-1]}\n"
