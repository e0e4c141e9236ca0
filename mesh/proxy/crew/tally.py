"""What a worker counted, as plain values that can be sent; and the sum of all workers'."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from mesh.proxy.admin_view import ClusterView, EndpointView
from mesh.proxy.istio_stats import IstioStats
from mesh.proxy.stats import Stats

# gauges of what is in hand are added up; the others (a state, a membership) every worker sees alike
_IN_HAND = re.compile(r".*(?:cx|rq|rq_pending)_active")
_TOTALS = tuple(one.name for one in fields(EndpointView) if one.name.startswith(("cx_", "rq_")))


@dataclass(frozen=True, slots=True)
class Tally:
    """A snapshot, or the living objects where nobody sends it anywhere."""

    stats: Stats
    istio_stats: IstioStats
    clusters: Sequence[ClusterView]

    def snapshot(self) -> Tally:
        """The same numbers, apart from those that go on."""
        return total([self])


def total(tallies: Sequence[Tally]) -> Tally:
    """All of them as one; the first says which clusters and endpoints there are."""
    stats, istio_stats = Stats(), IstioStats(tallies[0].istio_stats.node)
    for tally in tallies:
        _add_stats(stats, tally.stats)
        istio_stats.add(tally.istio_stats)
    return Tally(stats, istio_stats, _add_clusters([tally.clusters for tally in tallies]))


def counters_only(tally: Tally) -> Tally:
    """What remains of a worker that is gone: it has nothing in hand."""
    stats = Stats()
    for name, counter in tally.stats.counters.items():
        stats.counter(name).value = counter.value
    return replace(tally, stats=stats, clusters=())


def _add_stats(to: Stats, more: Stats) -> None:
    for name, counter in more.counters.items():
        to.counter(name).value += counter.value
    for name, gauge in more.gauges.items():
        sum_of = to.gauge(name)
        sum_of.value = (
            sum_of.value + gauge.value if _IN_HAND.fullmatch(name) else max(sum_of.value, gauge.value)
        )


def _add_clusters(views: Sequence[Sequence[ClusterView]]) -> Sequence[ClusterView]:
    others: dict[tuple[str, str, int], list[EndpointView]] = {}
    for clusters in views[1:]:
        for cluster in clusters:
            for endpoint in cluster.endpoints:
                key = (cluster.name, endpoint.address, endpoint.port)
                others.setdefault(key, []).append(endpoint)
    return [
        replace(
            cluster,
            endpoints=[
                _add_endpoints(one, others.get((cluster.name, one.address, one.port), ()))
                for one in cluster.endpoints
            ],
        )
        for cluster in views[0]
    ]


def _add_endpoints(first: EndpointView, others: Iterable[EndpointView]) -> EndpointView:
    every = (first, *others)
    sums = {name: sum(getattr(one, name) for one in every) for name in _TOTALS}
    return replace(first, is_ejected=any(one.is_ejected for one in every), **sums)
