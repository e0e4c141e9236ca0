"""What the harness asks of a proxy: where it listens, and what it logged."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from differ.origin import Origin
from mesh.model.access_log_entry import AccessLogEntry


class Entries(list[AccessLogEntry]):
    """A proxy's access log: grows by one for each request it has done with, in the order of their ends."""

    def __init__(self) -> None:
        super().__init__()
        self._grown = asyncio.Event()

    def append(self, entry: AccessLogEntry) -> None:
        super().append(entry)
        self._grown.set()

    async def until(self, path: str, times: int = 1) -> None:
        """Until requests for this path, ``times`` of them, are among them."""
        await self.until_any(lambda: sum(entry.path == path for entry in self) >= times)

    async def until_any(self, condition: Callable[[], bool]) -> None:
        """Until one more makes it true."""
        while not condition():
            self._grown.clear()
            await self._grown.wait()


class Engine(Protocol):
    name: str
    port: int
    origin: Origin
    entries: Entries
