"""Earliest deadline first: turns by weight, where a weight may change from one turn to the next. Pure.

Each entry's deadline is 1 / weight after its last turn; whose deadline is next has the turn. Equal deadlines
go in the order in which they were set. Source: Envoy's ``edf_scheduler.h``: both engines take the same turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heapify, heapreplace
from typing import Generic, TypeVar

C = TypeVar("C")


class Schedule(Generic[C]):
    """Of at least one entry, with weights above 0."""

    __slots__ = ("_heap", "_number", "_weight")

    def __init__(self, entries: Sequence[C], weight: Callable[[C], float], skipped: int = 0) -> None:
        """``skipped`` turns are taken beforehand, so that many proxies do not all begin with the same one."""
        self._weight = weight
        self._heap = [(1.0 / weight(entry), number, entry) for number, entry in enumerate(entries)]
        heapify(self._heap)
        self._number = len(entries)
        for _ in range(skipped):
            self.pick()

    def pick(self) -> C:
        now, _, entry = self._heap[0]
        heapreplace(self._heap, (now + 1.0 / self._weight(entry), self._number, entry))
        self._number += 1
        return entry
