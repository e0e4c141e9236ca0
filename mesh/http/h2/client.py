"""A connection whose peer answers (to a server, seen from the client)."""

from __future__ import annotations

from collections.abc import Callable

from mesh.http.h2.connection import Connection
from mesh.http.h2.errors import Code, ConnectionFault
from mesh.http.h2.flood import Clock
from mesh.http.h2.frames import MAX_STREAM_ID, PREFACE, window_update
from mesh.http.h2.settings import DEFAULT_WINDOW, Limits, settings_frame
from mesh.http.h2.stream import Stream
from mesh.http.message import Framing

# Streams opened before the server has said how many it takes.
UNTOLD_MAX_STREAMS = 100


class Client(Connection):
    """``changed`` is called when ``can_open`` may be another: after SETTINGS and GOAWAY.

    ``goaway`` is the highest stream the server will answer, once it has said so; ``is_told``: its settings
    have come.
    """

    __slots__ = ("_changed", "goaway", "is_told", "next_id")

    def __init__(
        self, changed: Callable[[], None], limits: Limits, wake: Callable[[], None], clock: Clock
    ) -> None:
        super().__init__(limits, wake, clock)
        self._changed = changed
        self.is_told = False
        self.next_id = 1
        self.peer.max_streams = UNTOLD_MAX_STREAMS
        self.goaway: int | None = None
        self.out.append(PREFACE + settings_frame(limits, is_client=True))
        self.out.append(window_update(0, limits.connection_window - DEFAULT_WINDOW))

    def can_open(self) -> bool:
        """Whether the server takes one more stream on this connection."""
        return self.is_usable() and len(self.streams) < self.peer.max_streams

    def is_usable(self) -> bool:
        """Whether it will take more streams, now or later."""
        return self.goaway is None and self.fault is None and self.next_id <= MAX_STREAM_ID

    def open(self, stream: Stream) -> None:
        """Give the stream its number; its head has to be sent next (numbers must go up on the wire)."""
        stream.id = self.next_id
        self.next_id += 2
        stream.send_window = self.peer.initial_window
        self.streams[stream.id] = stream

    def _on_unknown_stream(self, stream_id: int, block: bytes, end: bool) -> None:
        if stream_id in self._ended_there:
            raise ConnectionFault(Code.STREAM_CLOSED, "http2.headers_on_closed_stream")
        raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.headers_on_idle_stream")

    def _on_head(self, stream: Stream, block: bytes, end: bool) -> None:
        method = stream.method  # type: ignore[attr-defined]
        response = self._heads.response(block, end, method)
        if response is None:
            self.flood.control.take()
            return
        stream.has_head = True
        if end:
            self._received_end(stream)
        elif response.framing is Framing.NONE:
            stream.expected = 0
        elif response.framing is Framing.LENGTH:
            stream.expected = int(response.fields[b"content-length"])
        stream.head_received(response)

    def _is_idle(self, stream_id: int) -> bool:
        return stream_id >= self.next_id or not stream_id & 1

    def _settings_changed(self) -> None:
        if not self.is_told:
            self.is_told = True
            if self.peer.max_streams == UNTOLD_MAX_STREAMS:
                self.peer.max_streams = MAX_STREAM_ID  # it did not say: no limit (section 6.5.2)
        self._changed()

    def _going_away(self, last_stream_id: int) -> None:
        """Section 6.8: what is above was not looked at, and may be sent again elsewhere."""
        if self.goaway is not None and last_stream_id > self.goaway:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.goaway_goes_up")
        self.goaway = last_stream_id
        for stream in [stream for number, stream in self.streams.items() if number > last_stream_id]:
            stream.tell_arrived()
            if self.forget(stream):
                stream.reset_received(Code.REFUSED_STREAM)
        self._changed()
