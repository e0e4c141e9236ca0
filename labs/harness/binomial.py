"""Exact binomial statistics: how many requests a weight needs, and what counts proves. Pure; no scipy.

A split of p sends each request to the canary with probability p, so the canary's count in n requests is
Binomial(n, p). The test accepts p when the count lies in the acceptance region; it is wrong about a
correct split with probability at most ``alpha`` (false alarm), and notices a split of ``other`` with
probability ``power`` or more.
Everything is summed from the probability mass function: no normal approximation.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

FALSE_ALARM = 1e-6  # a correct mesh is called wrong at most once in a million runs
POWER = 0.999  # a doubled share is noticed in 999 of 1000 runs
CONFIDENCE = 0.999  # of printed intervals


class Region(NamedTuple):
    """Counts from ``low`` to ``high``, both included, are what the share allows."""

    low: int
    high: int

    def __contains__(self, count: object) -> bool:
        return isinstance(count, int) and self.low <= count <= self.high


class Interval(NamedTuple):
    """Shares, 0..1."""

    low: float
    high: float


def pmf(count: int, n: int, share: float) -> float:
    """P(X = count)."""
    if not 0 <= count <= n:
        return 0.0
    if share in (0.0, 1.0):
        return float(count == n * share)
    log_choices = math.lgamma(n + 1) - math.lgamma(count + 1) - math.lgamma(n - count + 1)
    return math.exp(log_choices + count * math.log(share) + (n - count) * math.log1p(-share))


def at_most(count: int, n: int, share: float) -> float:
    """P(X <= count), summed from the small end so that tiny tails stay exact."""
    return min(1.0, math.fsum(pmf(k, n, share) for k in range(min(count, n) + 1)))


def at_least(count: int, n: int, share: float) -> float:
    """P(X >= count)."""
    return at_most(n - count, n, 1.0 - share)


def acceptance_region(n: int, share: float, alpha: float = FALSE_ALARM) -> Region:
    """The two-sided region: each tail outside it has probability at most alpha / 2."""
    return Region(_low(n, share, alpha / 2), n - _low(n, 1.0 - share, alpha / 2))


def _low(n: int, share: float, tail: float) -> int:
    """The largest count with P(X < count) <= tail."""
    below = 0.0
    for count in range(n + 1):
        below += pmf(count, n, share)
        if below > tail:
            return count
    return n


def power(n: int, share: float, other: float, alpha: float = FALSE_ALARM) -> float:
    """The probability that the test of ``share`` refuses when the truth is ``other``."""
    low, high = acceptance_region(n, share, alpha)
    return min(1.0, at_most(low - 1, n, other) + at_least(high + 1, n, other))


@functools.cache
def sample_size(share: float, other: float, alpha: float = FALSE_ALARM, wanted: float = POWER) -> int:
    """Enough requests that the test of ``share`` notices ``other`` with the wanted power.

    Power is a saw in n, so the n found need not be the smallest; its own power is as wanted.
    Raises ValueError when the two shares are equal or no share at all.
    """
    if share == other or not (0.0 < share < 1.0 and 0.0 <= other <= 1.0):
        raise ValueError(f"expected two different shares, the first in 0..1, got {share} and {other}")
    enough = 1
    while power(enough, share, other, alpha) < wanted:
        enough *= 2
    few = enough // 2
    while enough - few > 1:
        middle = (few + enough) // 2
        if power(middle, share, other, alpha) >= wanted:
            enough = middle
        else:
            few = middle
    return enough


def interval(count: int, n: int, confidence: float = CONFIDENCE) -> Interval:
    """Clopper and Pearson's exact interval for the share, from its defining tail equations."""
    if not 0 <= count <= n or n == 0:
        raise ValueError(f"expected 0 <= count <= n and n > 0, got {count} of {n}")
    tail = (1.0 - confidence) / 2
    low = 0.0 if count == 0 else _solve(lambda share: at_least(count, n, share) < tail)
    high = 1.0 if count == n else _solve(lambda share: at_most(count, n, share) >= tail)
    return Interval(low, high)


def _solve(is_left: Callable[[float], bool]) -> float:
    """The share where the predicate turns from true to false, by bisection to 1e-9."""
    left, right = 0.0, 1.0
    while right - left > 1e-9:
        middle = (left + right) / 2
        if is_left(middle):
            left = middle
        else:
            right = middle
    return (left + right) / 2
