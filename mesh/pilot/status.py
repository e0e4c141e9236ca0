"""How far the proxies are: ``proxy-status``, and waiting until all of them serve a generation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mesh.xds.source import Connection

NOT_PUSHED = "pilot"  # stands for the type when the fault is pilot's own


@dataclass(frozen=True, slots=True)
class Rejection:
    """A proxy refused the newest content of a type, for the reason it gave."""

    proxy: str
    type: str
    error: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one generation is. Each proxy is in exactly one of the three; all sorted by proxy."""

    acked: tuple[str, ...] = ()
    pending: tuple[str, ...] = ()
    rejected: tuple[Rejection, ...] = ()


def progress(
    members: Mapping[str, Connection | None], generation: int, faults: Mapping[Connection, str]
) -> Progress:
    """``members``: every proxy that serves traffic; None is one whose stream is broken just now.
    ``faults``: proxies for which there is nothing to push, and why.
    """
    acked: list[str] = []
    pending: list[str] = []
    rejected: list[Rejection] = []
    for name, connection in sorted(members.items()):
        refusals = _refusals(name, connection, faults)
        if connection is not None and (connection.acked_generation or 0) >= generation:
            acked.append(name)
        elif refusals:
            rejected += refusals
        else:
            pending.append(name)
    return Progress(tuple(acked), tuple(pending), tuple(rejected))


class Waiting:
    """Wakes whoever waits for proxies, at every event that may matter."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def wake(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    async def until_settled(self, look: Callable[[], Progress | None], timeout_s: float) -> Progress | None:
        """The first look with nobody pending, or the last one when the time is over.

        ``look`` answers None while it is too early to say.
        """
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            event, found = self._event, look()
            if found is not None and not found.pending:
                return found
            try:
                async with asyncio.timeout_at(deadline):
                    await event.wait()
            except TimeoutError:
                return look()


def _refusals(name: str, connection: Connection | None, faults: Mapping[Connection, str]) -> list[Rejection]:
    if connection is None:
        return []
    if connection in faults:
        return [Rejection(name, NOT_PUSHED, faults[connection])]
    return [
        Rejection(name, type_name, status.error)
        for type_name, status in connection.status().items()
        if status.status == "ERROR"
    ]
