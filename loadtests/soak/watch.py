"""Memory and open descriptors of processes, sampled while they work."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import psutil

INTERVAL_S = 0.5


@dataclass(slots=True)
class Watched:
    """Of one process: resident bytes, oldest first; descriptors before and after."""

    resident: list[int] = field(default_factory=list)
    descriptors_before: int = 0
    descriptors_after: int = 0


class Watch:
    """``pids`` by names. ``run`` until cancelled, between ``begin`` and ``end``."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._processes = {name: psutil.Process(pid) for name, pid in pids.items()}
        self.watched = {name: Watched() for name in pids}

    def begin(self) -> None:
        for name, process in self._processes.items():
            self.watched[name].descriptors_before = process.num_fds()

    async def run(self) -> None:
        while True:
            for name, process in self._processes.items():
                self.watched[name].resident.append(process.memory_info().rss)
            await asyncio.sleep(INTERVAL_S)

    def end(self) -> None:
        for name, process in self._processes.items():
            self.watched[name].descriptors_after = process.num_fds()
