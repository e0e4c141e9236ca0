"""What both sides' HTTP/2 connections have in common: bytes in, and everything to be sent in one write.

While input is read, output gathers; what streams send at other times (answers that came on other connections)
is written at the end of the event loop's turn, all of it at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol, cast

from mesh.http.h2.connection import Connection
from mesh.http.h2.errors import Code, ConnectionFault

# A peer that asks on and reads nothing: how much of ours may wait for it beside what flow control bounds.
MAX_UNREAD_BYTES = 8 * 1024 * 1024


class SocketFollower(Protocol):
    """A stream, as far as it is told what the socket takes; ``queue`` is what flow control holds back."""

    queue: list[bytes]

    def blocked(self) -> None: ...

    def writable(self) -> None: ...


class Http2Protocol(asyncio.Protocol):
    """``codec`` is set by the derived class, which answers ``_streams`` too."""

    __slots__ = ("_reading", "_waking", "_write_paused", "closing", "codec", "loop", "transport")

    codec: Connection

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.closing = False
        self._reading = self._waking = self._write_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.flush()

    def data_received(self, data: bytes) -> None:
        if self.closing:
            return
        self._reading = True
        try:
            self.codec.receive_data(data)
        finally:
            self._reading = False
        self.flush()

    def wake(self) -> None:
        """There is something to write."""
        if not (self._reading or self._waking):
            self._waking = True
            self.loop.call_soon(self._wake)

    def _wake(self) -> None:
        self._waking = False
        self.flush()

    def flush(self) -> None:
        codec = self.codec
        if codec.out and not self.closing:
            self.transport.write(codec.take_output())
            if self._write_paused and self.transport.get_write_buffer_size() > MAX_UNREAD_BYTES:
                codec.fail(ConnectionFault(Code.ENHANCE_YOUR_CALM, "http2.outbound_flood"))
        if codec.fault is not None:
            self.close()
        else:
            self.after_flush()

    def after_flush(self) -> None:
        """Everything so far is written."""

    def close(self) -> None:
        """Once all is written; what arrives from now on is for nobody."""
        if not self.closing:
            self.closing = True
            if self.codec.out:
                self.transport.write(self.codec.take_output())
            self.transport.close()

    # flow control below the streams': what the socket takes

    def pause_writing(self) -> None:
        self._write_paused = True
        for stream in self._streams():
            stream.blocked()

    def resume_writing(self) -> None:
        self._write_paused = False
        for stream in self._streams():
            if not stream.queue:
                stream.writable()

    def _streams(self) -> Sequence[SocketFollower]:
        """All that are open."""
        raise NotImplementedError
