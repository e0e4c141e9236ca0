"""Reading ``istio_requests_total`` out of a scrape, and comparing what all observers counted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from labs.harness.history import Logged
from labs.harness.verdict import Verdict, failed, inconclusive, passed

REQUESTS_TOTAL = "istio_requests_total"


class Key(NamedTuple):
    """Who reported requests to which workload."""

    reporter: str
    destination_workload: str


Counts = Counter[Key]


@dataclass(frozen=True, slots=True)
class Row:
    """What each observer counted for one workload, by the observer's name."""

    workload: str
    seen: Mapping[str, int]

    @property
    def agrees(self) -> bool:
        return len(set(self.seen.values())) == 1


def requests_total(scrape: str) -> Counts:
    """``istio_requests_total`` of one sidecar's scrape, summed over all other labels."""
    lines = "".join(f"{line}\n" for line in scrape.splitlines() if line.startswith(REQUESTS_TOTAL))
    counts: Counts = Counter()
    for family in text_string_to_metric_families(lines):
        for sample in family.samples:
            labels = sample.labels
            key = Key(labels.get("reporter", ""), labels.get("destination_workload", ""))
            counts[key] += int(sample.value)
    return counts


def logged_requests(entries: Iterable[Logged]) -> Counts:
    """The same counts from mixer's access logs."""
    return Counter(Key(entry.reporter, entry.destination_workload) for entry in entries)


def difference(after: Counts, before: Counts) -> Counts:
    """How much each counter grew. Keeps what shrank, unlike `Counter.__sub__`: that would be a bug to see."""
    return Counter({key: after[key] - before[key] for key in after.keys() | before.keys()})


def row(workload: str, truth: Mapping[str, int], metrics: Counts, log: Counts) -> Row:
    """One workload as the applications (``truth``), the metrics and the access logs count it."""
    return Row(
        workload,
        {
            **truth,
            "metric source": metrics[Key("source", workload)],
            "metric destination": metrics[Key("destination", workload)],
            "log source": log[Key("source", workload)],
            "log destination": log[Key("destination", workload)],
        },
    )


def agreement(check: str, rows: Sequence[Row]) -> Verdict:
    """All observers counted the same number of requests, for every workload, to the request."""
    total = sum(max(row.seen.values()) for row in rows)
    if not total:
        return inconclusive(check, "no request was counted by anybody")
    apart = [row for row in rows if not row.agrees]
    numbers = {f"{row.workload} {observer}": count for row in rows for observer, count in row.seen.items()}
    if apart:
        shown = "; ".join(f"{row.workload}: {_seen(row.seen)}" for row in apart)
        return failed(check, f"the observers disagree about {shown}", **numbers)
    shown = ", ".join(f"{row.workload} {max(row.seen.values())}" for row in rows)
    return passed(check, f"{len(rows[0].seen)} observers agree to the request: {shown}", **numbers)


def _seen(seen: Mapping[str, int]) -> str:
    return ", ".join(f"{observer} {count}" for observer, count in seen.items())
