"""The process of another worker: a data plane that does what the first worker's process says.

It ends when it is told to leave, or when the pipe does: no proxy outlives the process that governs it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress
from multiprocessing.connection import Connection

import uvloop

from mesh.model.resources import Resources
from mesh.proxy.crew.messages import (
    Applied,
    Apply,
    Count,
    Counted,
    Drain,
    Ejected,
    Identify,
    Leave,
    Order,
    Ready,
    Reset,
    SetLevel,
    Start,
)
from mesh.proxy.data_plane import DataPlane
from mesh.proxy.heap import keep_freed_memory
from mesh.xds.errors import Rejected


class MemberProcess:
    """``run`` returns at the end of the process."""

    def __init__(self, pipe: Connection, start: Start) -> None:
        self._pipe = pipe
        self._plane = DataPlane(start.node, start.bootstrap)
        self._plane.worker.on_ejected = self._tell
        self._ended = asyncio.Event()

    async def run(self) -> None:
        loop = self._plane.worker.loop
        loop.add_reader(self._pipe.fileno(), self._hear)
        os.set_blocking(self._pipe.fileno(), True)  # libuv's watcher makes it the other way
        self._pipe.send(Ready())
        await self._ended.wait()
        loop.remove_reader(self._pipe.fileno())
        await self._plane.close()

    def _hear(self) -> None:
        while (order := self._next()) is not None:
            self._obey(order)

    def _next(self) -> Order | None:
        """What has been said and not been done yet."""
        try:
            return self._pipe.recv() if self._pipe.poll() else None
        except (EOFError, OSError):
            self._ended.set()
            return None

    def _obey(self, order: Order) -> None:
        plane = self._plane
        match order:
            case Identify(secrets):
                plane.identify(secrets)
            case Apply(ticket, resources):
                self._pipe.send(Applied(ticket, _apply(plane, resources)))
            case Count(ticket):
                self._pipe.send(Counted(ticket, plane.tally().snapshot()))
            case Reset():
                plane.reset()
            case Ejected():
                plane.eject(order)
            case Drain(graceful):
                plane.drain(graceful)
            case SetLevel(logger, level):
                logging.getLogger(logger).setLevel(level)
            case Leave():
                plane.worker.spawn(self._leave(), "leave")

    def _tell(self, ejected: Ejected) -> None:
        with suppress(OSError):  # nobody is there any more to hear it
            self._pipe.send(ejected)

    async def _leave(self) -> None:
        await self._plane.leave()
        with suppress(OSError):  # nobody is there any more to hear them
            self._pipe.send(Counted(0, self._plane.tally().snapshot()))
        self._ended.set()


def _apply(plane: DataPlane, resources: Resources) -> str:
    """Why it is rejected, or nothing."""
    try:
        plane.apply(resources)
    except Rejected as rejected:
        return str(rejected)
    return ""


async def serve(pipe: Connection) -> None:
    start: Start = pipe.recv()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for logger, level in start.log_levels.items():
        logging.getLogger(logger).setLevel(level)
    await MemberProcess(pipe, start).run()


def main(descriptor: int) -> None:
    """``descriptor`` is our end of the pipe."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the first worker says when to leave
    keep_freed_memory()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(Connection(descriptor)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
