"""Bytes from one connection to another and back, unread, with backpressure and half-close.

client -> Half --(peer)-> Half -> server       what one receives, the other writes
"""

from __future__ import annotations

import asyncio
import socket
import struct
from time import monotonic
from typing import cast

_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: on, for no time


class Half(asyncio.Protocol):
    """One side of a relay. Until ``join``, what arrives is held and reading is paused.

    ``bytes_received`` counts what was passed on; ``active_at`` is when the last of it came.
    """

    def __init__(self) -> None:
        self.peer: Half | None = None
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self.bytes_received = 0
        self.active_at = 0.0
        self._held: list[bytes] = []
        self._eof = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def join(self, peer: Half) -> None:
        """Begin to pass on: first what was held."""
        self.peer = peer
        self.active_at = monotonic()
        for data in self._held:
            self.bytes_received += len(data)
            peer.transport.write(data)
        if self._held:
            self._held = []
        if self._eof:
            peer.end_writing()
        else:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.peer is not None:
            self.bytes_received += len(data)
            self.active_at = monotonic()
            self.peer.transport.write(data)
        else:
            self._held.append(data)
            self.transport.pause_reading()

    def eof_received(self) -> bool:
        """The other direction goes on: a client may well send all, close its side, and read the answer."""
        self._eof = True
        if self.peer is not None:
            self.peer.end_writing()
        return True

    def end_writing(self) -> None:
        """Our peer has no more to send."""
        if self._eof:
            self.transport.close()  # both directions are over
            if self.peer is not None:
                self.peer.transport.close()
        elif not self.transport.is_closing():
            self.transport.write_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        peer = self.peer
        if peer is None:
            return
        if isinstance(exc, ConnectionResetError):
            reset(peer.transport)
        elif exc is not None:
            peer.transport.abort()
        else:
            peer.transport.close()

    def pause_writing(self) -> None:
        if self.peer is not None:
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and not self.peer._eof:
            self.peer.transport.resume_reading()


def reset(transport: asyncio.Transport) -> None:
    """Close as the other side was closed: its peer must not take what came for all there was."""
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
