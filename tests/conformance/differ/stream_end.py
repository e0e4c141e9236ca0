"""One end of a connection, played by a script: does what it says and writes down what it sees."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, cast

from differ.case import Do, Pause
from differ.origin import HOST
from differ.stream_case import Act, Got

PATIENCE_S = 2.0  # for what is due

# how the other side's bytes ended; "open": not before our script did
End = Literal["end", "reset", "open"]


@dataclass(slots=True)
class Seen:
    received: bytes = b""
    end: End = "open"


class StreamEnd(asyncio.Protocol):
    """``done`` is set when the connection is gone."""

    def __init__(self, script: tuple[Act, ...]) -> None:
        self._script = script
        self._progress = asyncio.Event()
        self._transport: asyncio.Transport
        self._left = False
        self.seen = Seen()
        self.done = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._playing = asyncio.ensure_future(self._play())

    def data_received(self, data: bytes) -> None:
        self.seen.received += data
        self._progress.set()

    def eof_received(self) -> bool:
        if self.seen.end == "open":
            self.seen.end = "end"
        self._progress.set()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and not self._left:
            self.seen.end = "reset"
        self._left = True
        self._progress.set()
        self.done.set()

    async def _play(self) -> None:
        for act in self._script:
            await self._do(act)
        if not self._left:
            await self._until(lambda: self.seen.end != "open")
            self._left = True
            self._transport.abort()

    async def _do(self, act: Act) -> None:
        match act:
            case bytes():
                self._transport.write(act)
            case Pause():
                await asyncio.sleep(act.seconds)
            case Got():
                await self._until(lambda: self._has(act.what))
            case Do.WAIT:
                await self._until(lambda: self.seen.end != "open")
            case Do.HALF_CLOSE:
                self._transport.write_eof()
            case Do.CLOSE:
                self._left = True
                self._transport.close()
            case Do.RESET:
                self._left = True
                linger = struct.pack("ii", 1, 0)
                self._transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
                self._transport.abort()

    def _has(self, what: int | bytes) -> bool:
        received = self.seen.received
        return len(received) >= what if isinstance(what, int) else what in received

    async def _until(self, condition: Callable[[], bool]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_S):
                while not condition() and not self._left:
                    self._progress.clear()
                    await self._progress.wait()


class StreamServer:
    """A server whose connections are all played by the script of the case at hand."""

    def __init__(self) -> None:
        self.port = 0
        self.ends: list[StreamEnd] = []
        self._script: tuple[Act, ...] = ()

    async def start(self) -> None:
        server = await asyncio.get_running_loop().create_server(self._accept, HOST, 0)
        self._server = server
        self.port = server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._server.close()

    def begin(self, script: tuple[Act, ...]) -> None:
        self.ends, self._script = [], script

    def _accept(self) -> StreamEnd:
        end = StreamEnd(self._script)
        self.ends.append(end)
        return end
