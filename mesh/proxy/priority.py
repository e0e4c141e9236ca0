"""Priorities: how much of a cluster's traffic each level of endpoints takes. Pure.

A level is as healthy as its share of healthy endpoints times 1.4; the first takes that much, the next what
is left over, and so on. If all do not make 100 %, they share it, and a level with fewer healthy endpoints
than the panic threshold takes its part with all of its endpoints. If that is so in every level, each takes as
much as it has endpoints.
Source: Envoy's "Priority levels" and "Panic threshold" pages; ``load_balancer_impl.cc`` (LoadBalancerBase).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

H = TypeVar("H")

OVERPROVISIONING = 140  # per cent: a level is whole while 72 % of it are healthy


@dataclass(frozen=True, slots=True)
class Level:
    """How many endpoints one has. ``excluded`` are not counted as missing: nothing is known of them yet."""

    healthy: int
    total: int
    excluded: int = 0

    @property
    def health(self) -> int:
        """0..100."""
        counted = self.total - self.excluded
        return min(100, OVERPROVISIONING * self.healthy // counted) if counted > 0 else 0

    def is_below(self, threshold: int) -> bool:
        counted = self.total - self.excluded
        return 100 * self.healthy < threshold * counted if counted > 0 else threshold > 0


@dataclass(frozen=True, slots=True)
class Load:
    """Per cent of the traffic; with ``panic`` to all endpoints of the level, the unhealthy too."""

    percent: int
    panic: bool = False


def level_loads(levels: Sequence[Level], panic_threshold: int) -> list[Load]:
    """One for each level; only zeros when nobody may take a request."""
    health = [level.health for level in levels]
    total = min(100, sum(health))
    panic = [total != 100 and level.is_below(panic_threshold) for level in levels]
    if all(panic):
        return [Load(percent, True) for percent in _by_size(levels)]
    return [Load(percent, out) for percent, out in zip(distribute(health), panic, strict=True)]


def distribute(health: Sequence[int]) -> list[int]:
    """Per cent for each level of this health, the first ones first; only zeros where nobody has any."""
    whole = min(100, sum(health))
    if not whole:
        return [0] * len(health)
    loads: list[int] = []
    left = 100
    for part in health:
        loads.append(min(left, part * 100 // whole))
        left -= loads[-1]
    loads[_first(health)] += left  # what rounding left over
    return loads


def _by_size(levels: Sequence[Level]) -> list[int]:
    everyone = sum(level.total for level in levels)
    if not everyone:
        return [0] * len(levels)
    loads = [100 * level.total // everyone for level in levels]
    loads[_first([level.total for level in levels])] += 100 - sum(loads)
    return loads


def _first(amounts: Sequence[int]) -> int:
    return next(place for place, amount in enumerate(amounts) if amount)


def spread(parts: Sequence[tuple[int, Callable[[], H]]], rng: Random) -> Callable[[], H]:
    """Draws among the balancers of several levels; their loads sum to 100."""

    def pick() -> H:
        draw = rng.random() * 100
        for load, inner in parts:
            draw -= load
            if draw < 0:
                return inner()
        return parts[-1][1]()

    return pick


def spread_keys(parts: Sequence[tuple[int, Callable[[int, int], H]]]) -> Callable[[int, int], H]:
    """The same for consistent hashing: a key belongs to one level."""

    def find(key: int, attempt: int) -> H:
        draw = key % 100
        for load, inner in parts:
            draw -= load
            if draw < 0:
                return inner(key, attempt)
        return parts[-1][1](key, attempt)

    return find
