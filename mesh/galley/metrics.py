"""Galley's numbers under the names of Istio's validating webhook (istiod's exported metrics).

    galley_validation_passed{group,version,resource}
    galley_validation_failed{group,version,resource,reason}

Counted for each object of each text that is applied, and of each file whenever it is read. Plain integers,
read when scraped, and exposed untyped: Istio's counters have no ``_total``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from mesh.galley.fault import ObjectKey
from mesh.galley.parse import Parsed, Reason
from mesh.model.names import plural

Labels = tuple[tuple[str, str], ...]


class GalleyMetrics(Collector):
    """Registers itself."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._passed: Counter[Labels] = Counter()
        self._failed: Counter[Labels] = Counter()
        if registry is not None:
            registry.register(self)

    def count(self, parsed: Parsed, refused: Container[ObjectKey] = ()) -> None:
        """One text. ``refused`` are those of its objects that do not go together with the others."""
        for key, candidate in parsed.candidates.items():
            labels = _labels(candidate.config.api_version, key.kind)
            if key in refused:
                self._fail(labels, "invalid_resource")
            else:
                self._passed[labels] += 1
        for rejected in parsed.rejected:
            self._fail(_labels(rejected.api_version, rejected.kind), rejected.reason)

    def _fail(self, labels: Labels, reason: Reason) -> None:
        self._failed[*labels, ("reason", reason)] += 1

    def collect(self) -> Iterator[Metric]:
        for name, help_text, counts in (
            ("galley_validation_passed", "Objects found good.", self._passed),
            ("galley_validation_failed", "Objects found wanting.", self._failed),
        ):
            metric = Metric(name, help_text, "unknown")
            for labels, count in counts.items():
                metric.add_sample(name, dict(labels), count)
            yield metric


def _labels(api_version: str, kind: str) -> Labels:
    """Empty where it is not known."""
    group, _, version = api_version.rpartition("/")
    resource = plural(kind) if kind else ""
    return (("group", group), ("version", version), ("resource", resource))
