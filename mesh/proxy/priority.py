"""Priorities: how much of a cluster's traffic each level of endpoints takes. Pure.

Source: Envoy's "Priority levels": a level is as healthy as its share of healthy endpoints times 1.4; the
first takes that much, the next what is left over, and so on. If all do not make 100 %, they share it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

H = TypeVar("H")

OVERPROVISIONING = 140  # per cent: a level is whole while 72 % of it are healthy


def priority_loads(levels: Sequence[tuple[int, int]]) -> list[int]:
    """Per cent for each level of (healthy, all) endpoints; only zeros when nobody is healthy."""
    health = [min(100, OVERPROVISIONING * healthy // total) if total else 0 for healthy, total in levels]
    whole = min(100, sum(health))
    if not whole:
        return [0] * len(levels)
    loads: list[int] = []
    left = 100
    for part in health:
        loads.append(min(left, part * 100 // whole))
        left -= loads[-1]
    first = next(place for place, load in enumerate(loads) if load)
    loads[first] += left  # what rounding left over
    return loads


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
