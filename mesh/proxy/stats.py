"""The proxy's counters and gauges: plain numbers under Envoy's dotted names.

The hot path keeps the object it once looked up and adds to ``value``; nothing is locked, because a
worker is one thread. Rendering them is ``exposition.py``'s work.
"""

from __future__ import annotations


class Counter:
    """A number that only grows."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0


class Gauge(Counter):
    """A number that goes up and down."""

    __slots__ = ()


class Stats:
    """All stats of one worker, made on first use: ``cluster.<name>.upstream_rq_total`` and the like."""

    def __init__(self) -> None:
        self.counters: dict[str, Counter] = {}
        self.gauges: dict[str, Gauge] = {}

    def counter(self, name: str) -> Counter:
        found = self.counters.get(name)
        if found is None:
            found = self.counters[name] = Counter()
        return found

    def gauge(self, name: str) -> Gauge:
        found = self.gauges.get(name)
        if found is None:
            found = self.gauges[name] = Gauge()
        return found
