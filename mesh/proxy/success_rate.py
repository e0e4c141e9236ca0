"""Success rates: how often each endpoint of a cluster succeeded in an interval, and who is out of line. Pure.

Source: Envoy's "Outlier detection" page, success rate and failure percentage; ``outlier_detection_impl.cc``.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from math import sqrt
from typing import TypeVar

from mesh.model.outlier import FailurePercentage, SuccessRate

K = TypeVar("K", bound=Hashable)


class Tally:
    """One endpoint's requests: of the interval at hand, and ``(succeeded, all)`` of the one before."""

    __slots__ = ("before", "succeeded", "total")

    def __init__(self) -> None:
        self.succeeded = self.total = 0
        self.before = (0, 0)

    def add(self, succeeded: bool) -> None:
        self.total += 1
        self.succeeded += succeeded

    def turn(self) -> None:
        """An interval is over."""
        self.before = (self.succeeded, self.total)
        self.succeeded = self.total = 0

    def rate(self, volume: int) -> float | None:
        """Per cent of the last interval that succeeded; None when there were too few requests to tell."""
        succeeded, total = self.before
        return 100.0 * succeeded / total if total and total >= volume else None


def ejection_threshold(rates: Mapping[K, float], rule: SuccessRate) -> float:
    """The mean less so many standard deviations (of the whole, not of a sample)."""
    mean = sum(rates.values()) / len(rates)
    deviation = sqrt(sum((rate - mean) ** 2 for rate in rates.values()) / len(rates))
    return mean - rule.stdev_factor / 1000 * deviation


def below_the_others(tallies: Mapping[K, Tally], rule: SuccessRate) -> list[K]:
    """Those whose success rate is out of line with the others'."""
    rates = _rates(tallies, rule.request_volume)
    if not rates or len(rates) < rule.minimum_hosts:
        return []
    threshold = ejection_threshold(rates, rule)
    return [key for key, rate in rates.items() if rate < threshold]


def failing_too_often(tallies: Mapping[K, Tally], rule: FailurePercentage) -> list[K]:
    """Those that fail in so many per cent of their requests, whatever the others do."""
    rates = _rates(tallies, rule.request_volume)
    if not rates or len(rates) < rule.minimum_hosts:
        return []
    return [key for key, rate in rates.items() if 100.0 - rate >= rule.threshold]


def _rates(tallies: Mapping[K, Tally], volume: int) -> dict[K, float]:
    found = ((key, tally.rate(volume)) for key, tally in tallies.items())
    return {key: rate for key, rate in found if rate is not None}
