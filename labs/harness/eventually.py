"""Waiting for an event instead of sleeping: probe until it answers, or say what did not happen in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PROBE_EVERY_S = 0.05


class NotInTime(Exception):
    """The awaited thing did not happen before its deadline."""


async def eventually(
    what: str,
    probe: Callable[[], Awaitable[T | None]],
    deadline_s: float,
    every_s: float = PROBE_EVERY_S,
) -> T:
    """The probe's first answer that is not None. Raises NotInTime, naming ``what``, after ``deadline_s``."""
    end = time.monotonic() + deadline_s
    while True:
        answer = await probe()
        if answer is not None:
            return answer
        if time.monotonic() >= end:
            raise NotInTime(f"{what}: not within {deadline_s:g} s")
        await asyncio.sleep(every_s)


async def settled(
    what: str,
    read: Callable[[], Awaitable[T]],
    quiet_s: float,
    deadline_s: float,
    every_s: float = 0.2,
) -> T:
    """What ``read`` gives once it has stayed equal for ``quiet_s``. Raises NotInTime.

    For counters that are reported with a delay: they are read when they no longer move, and judged once.
    """
    end = time.monotonic() + deadline_s
    last, since = await read(), time.monotonic()
    while time.monotonic() - since < quiet_s:
        if time.monotonic() >= end:
            raise NotInTime(f"{what}: still changing after {deadline_s:g} s")
        await asyncio.sleep(every_s)
        now = await read()
        if now != last:
            last, since = now, time.monotonic()
    return last
