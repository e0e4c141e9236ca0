"""Debounce: changes that come in a burst make one push.

A push waits until no change came for ``quiet_s``, but never longer than ``max_s`` after the first. Istio's
values are 100 ms and 10 s (PILOT_DEBOUNCE_AFTER, PILOT_DEBOUNCE_MAX); ours are shorter because a lab has few
proxies and somebody waiting for it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Debounce:
    """The two times, in seconds."""

    quiet_s: float = 0.010
    max_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Pending:
    """The unpushed changes: when the first and the last of them came."""

    first: float
    last: float


def changed(pending: Pending | None, now: float) -> Pending:
    """One more change."""
    return Pending(now if pending is None else pending.first, now)


def due_at(pending: Pending, times: Debounce) -> float:
    """When these changes must be pushed, if no other comes."""
    return min(pending.last + times.quiet_s, pending.first + times.max_s)
