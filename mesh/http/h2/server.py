"""A connection whose peer asks (a client's, seen from the server)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from mesh.http.errors import RequestError
from mesh.http.h2 import frames
from mesh.http.h2.connection import Connection
from mesh.http.h2.errors import Code, ConnectionFault, StreamFault
from mesh.http.h2.flood import Clock
from mesh.http.h2.frames import MAX_STREAM_ID, PREFACE, goaway, window_update
from mesh.http.h2.settings import DEFAULT_WINDOW, Limits, settings_frame
from mesh.http.h2.stream import Stream


class ServerStream(Protocol):
    """What a server's stream can do beyond ``Stream``."""

    def request_refused(self, error: RequestError) -> None:
        """It was a request, but none that is taken."""


class Server(Connection):
    """``make_stream(connection, id)`` makes the stream of a new request."""

    __slots__ = ("_make_stream", "_preface_left", "drain_sent", "last_taken")

    def __init__(
        self,
        make_stream: Callable[[Connection, int], Stream],
        limits: Limits,
        wake: Callable[[], None],
        clock: Clock,
    ) -> None:
        super().__init__(limits, wake, clock)
        self._make_stream = make_stream
        self._preface_left = PREFACE
        self.drain_sent = False
        self.last_taken: int | None = None  # after the last GOAWAY: streams above it are not taken
        self.out.append(settings_frame(limits, is_client=False))
        self.out.append(window_update(0, limits.connection_window - DEFAULT_WINDOW))

    def receive_data(self, data: bytes) -> None:
        left = self._preface_left
        if left and self.fault is None:
            count = min(len(left), len(data))
            if data[:count] != left[:count]:
                self.fail(ConnectionFault(Code.PROTOCOL_ERROR, "http2.no_preface"))
                return
            self._preface_left = left[count:]
            data = data[count:]
        super().receive_data(data)

    # leaving

    def begin_drain(self) -> None:
        """Ask the client to open no more streams; those that are on their way are still served."""
        if not self.drain_sent:
            self.drain_sent = True
            self.out.append(goaway(MAX_STREAM_ID, Code.NO_ERROR))
            self.out.append(frames.frame(frames.PING, 0, 0, b"draining"))
            self.wake()

    def end_drain(self) -> None:
        """Take no stream that is not open by now (RFC 9113 section 6.8)."""
        if self.last_taken is None:
            self.last_taken = self.last_peer_stream
            self.out.append(goaway(self.last_taken, Code.NO_ERROR))
            self.wake()

    def _ping_answered(self) -> None:
        if self.drain_sent:
            self.end_drain()

    # streams

    def _on_unknown_stream(self, stream_id: int, block: bytes, end: bool) -> None:
        if not stream_id & 1 or stream_id <= self.last_peer_stream:
            if stream_id in self._ended_there:
                raise ConnectionFault(Code.STREAM_CLOSED, "http2.headers_on_closed_stream")
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.invalid_stream_id")
        self.last_peer_stream = stream_id
        if self.last_taken is not None:
            self._heads.skip(block)
            self._send_reset(stream_id, Code.REFUSED_STREAM)
            return
        if len(self.streams) >= self.limits.max_streams:
            self._heads.skip(block)
            raise StreamFault(Code.REFUSED_STREAM, "http2.too_many_streams")
        stream = self._make_stream(self, stream_id)
        self.streams[stream_id] = stream
        self._on_head(stream, block, end)

    def _on_head(self, stream: Stream, block: bytes, end: bool) -> None:
        try:
            request = self._heads.request(block, end)
        except RequestError as error:
            stream.has_head = True
            if end:
                self._received_end(stream)
            stream.request_refused(error)  # type: ignore[attr-defined]
            return
        stream.has_head = True
        if end:
            self._received_end(stream)
        else:
            length = request.fields.get(b"content-length")
            stream.expected = int(length) if length is not None else None
        stream.head_received(request)

    def _peer_reset(self) -> None:
        self.flood.resets.take()

    def _is_idle(self, stream_id: int) -> bool:
        return stream_id > self.last_peer_stream or not stream_id & 1
