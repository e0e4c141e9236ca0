"""Coarse timers for deadlines that nearly never fire: setting and cancelling one costs a list append and a
flag.

Due times are rounded up to ``TICK_S``; all timers of a tick share one of the event loop's. Deadlines of
requests need no more precision, and one loop timer a request would cost more than routing it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

TICK_S = 0.010
SWEEP_S = 5.0  # how often idle connections are looked for: their timeouts are minutes and hours


class Timer:
    """Set ``callback`` to None to cancel it."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback


class Timers:
    """All timers of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, list[Timer]] = {}

    def after(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        timer = Timer(callback)
        tick = int((self._loop.time() + delay_s) / TICK_S) + 1
        slot = self._slots.get(tick)
        if slot is None:
            slot = self._slots[tick] = []
            self._loop.call_at(tick * TICK_S, self._fire, tick)
        slot.append(timer)
        return timer

    def _fire(self, tick: int) -> None:
        for timer in self._slots.pop(tick):
            callback = timer.callback
            if callback is not None:
                timer.callback = None
                callback()
