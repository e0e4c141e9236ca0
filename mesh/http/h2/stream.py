"""One stream (RFC 9113 section 5.1): its state, its windows, and what it waits to send.

Who uses a connection derives from ``Stream`` and is called with what arrives; calls it to send.

    local_open   we may still send       both False: closed, and forgotten by the connection
    remote_open  the peer may still send
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.http.h2.errors import StreamFault
from mesh.http.message import Message, Trailers

if TYPE_CHECKING:
    from mesh.http.h2.connection import Connection


class Stream:
    """``expected``: bytes of body that content-length still promises, None without one.
    ``held``: bytes received whose credit the peer does not get back before ``resume_reading``.
    """

    __slots__ = (
        "connection",
        "end_queued",
        "expected",
        "has_head",
        "held",
        "id",
        "is_paused",
        "local_open",
        "queue",
        "queued_trailers",
        "receive_window",
        "remote_open",
        "send_window",
        "unacknowledged",
    )

    def __init__(self, connection: Connection, stream_id: int) -> None:
        self.connection = connection
        self.id = stream_id
        self.local_open = self.remote_open = True
        self.has_head = False
        self.expected: int | None = None
        self.send_window = connection.peer.initial_window
        self.receive_window = connection.limits.stream_window
        self.unacknowledged = self.held = 0
        self.is_paused = False
        self.queue: list[bytes] = []
        self.end_queued = False
        self.queued_trailers: bytes | None = None

    def pause_reading(self) -> None:
        """The peer may fill the windows, and no more."""
        self.is_paused = True

    def resume_reading(self) -> None:
        if self.is_paused:
            self.is_paused = False
            held, self.held = self.held, 0
            if held:
                self.connection.give_credit(self, held)
                self.connection.wake()

    # what arrives

    def head_received(self, message: Message) -> None:
        """The request, or the final response."""

    def data_received(self, data: bytes, end: bool) -> None:
        """More of the body; ``end``: it was the last. An end may come without data."""

    def trailers_received(self, trailers: Trailers) -> None:
        """The end, with fields."""

    def arrived(self) -> None:
        """All of a read is told; only of a stream that is in the connection's ``arrivals``."""

    def tell_arrived(self) -> None:
        """Do so now, before anything else happens to the stream."""
        if self in self.connection.arrivals:
            del self.connection.arrivals[self]
            self.arrived()

    def reset_received(self, code: int) -> None:
        """The peer gave it up (or refused it); the stream is gone already."""

    def failed(self, fault: StreamFault) -> None:
        """The peer broke the rules; the stream is reset and gone already."""

    def blocked(self) -> None:
        """The windows are full: what is sent now only piles up here."""

    def end_sent(self) -> None:
        """All that we had to send is sent."""

    def writable(self) -> None:
        """All that piled up is sent."""
