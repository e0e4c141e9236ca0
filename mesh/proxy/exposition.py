"""The proxy's stats as text: Prometheus' exposition format 0.0.4, and the forms of Envoy's /stats.

Names and labels are what Prometheus sees of an Envoy under Istio:
``cluster.outbound|9080||x.upstream_rq_2xx`` becomes
``envoy_cluster_upstream_rq{response_code_class="2xx",cluster_name="outbound|9080||x"}``. Source: Envoy's
"Statistics overview" and the stats_tags of Istio's bootstrap. A cluster's name may hold dots; a stat's
own name holds only those of the groups in ``_STAT``, so the last components are the stat and the rest the
name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache

from mesh.proxy.istio_exposition import labels_text
from mesh.proxy.stats import Stats

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_GROUPS = (
    r"ssl|circuit_breakers\.default|outlier_detection|http1|http2|external|update|rbac|fault|lds|cds|rds"
)
_STAT = rf"((?:(?:{_GROUPS})\.)*[A-Za-z0-9_]+)"
_TAGGED = (
    ("cluster", "cluster_name", re.compile(rf"cluster\.(.+?)\.{_STAT}")),
    ("http", "http_conn_manager_prefix", re.compile(rf"http\.(.+?)\.{_STAT}")),
    ("listener", "listener_address", re.compile(rf"listener\.(.+?)\.{_STAT}")),
    ("tcp", "tcp_prefix", re.compile(rf"tcp\.(.+?)\.{_STAT}")),
)
_CODE_CLASS = re.compile(r"(.*_rq)_(\dxx)")
_CODE = re.compile(r"(.*_rq)_(\d\d\d)")
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_]")


@lru_cache(maxsize=8192)
def prometheus_name(name: str) -> tuple[str, str]:
    """A dotted stat's (metric name, labels with their braces); no labels is an empty text."""
    labels: dict[str, str] = {}
    for group, tag, pattern in _TAGGED:
        if found := pattern.fullmatch(name):
            labels[tag] = found.group(1)
            name = f"{group}.{found.group(2)}"
            break
    if found := _CODE_CLASS.fullmatch(name):
        name, labels["response_code_class"] = found.groups()
    elif found := _CODE.fullmatch(name):
        name, labels["response_code"] = found.groups()
    return "envoy_" + _NOT_A_NAME.sub("_", name), labels_text(labels)


def prometheus(stats: Stats) -> str:
    """Counters and gauges, one family after the other; the samples of a family stand together."""
    families: dict[tuple[str, str], list[str]] = {}
    for kind, known in (("counter", stats.counters), ("gauge", stats.gauges)):
        for dotted, stat in known.items():
            name, labels = prometheus_name(dotted)
            families.setdefault((name, kind), []).append(f"{name}{labels} {stat.value}\n")
    parts = []
    for (name, kind), samples in sorted(families.items()):
        parts.append(f"# TYPE {name} {kind}\n")
        parts.extend(samples)
    return "".join(parts)


def selected(stats: Stats, keep: Callable[[str], bool], *, used_only: bool = False) -> dict[str, int]:
    """The numbers whose dotted name is wanted, by name; with ``used_only`` those that ever changed."""
    every = {**stats.counters, **stats.gauges}
    return {
        name: every[name].value
        for name in sorted(every)
        if keep(name) and (every[name].value or not used_only)
    }


def plain(numbers: dict[str, int]) -> str:
    """Envoy's /stats: ``name: value`` lines."""
    return "".join(f"{name}: {value}\n" for name, value in numbers.items())


def as_json(numbers: dict[str, int]) -> str:
    """Envoy's /stats?format=json."""
    return json.dumps({"stats": [{"name": name, "value": value} for name, value in numbers.items()]})
