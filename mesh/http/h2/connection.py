"""The receiving half of a connection: frames to streams (RFC 9113 sections 4 to 6).

    bytes -> receive_data -> frame by frame -> Stream.head_received / data_received / trailers_received / ...
                          -> at the end        Stream.arrived, of those that are in ``arrivals``

A message's head, body and trailers mostly arrive in one read: a stream that only takes them in, and puts
itself into ``arrivals``, is asked to act on them once. What it took is not credited to the peer before.

Nothing is raised to the caller: a stream that breaks the rules is reset, a connection that does gets GOAWAY
and has ``fault`` set; then it takes no more bytes and is to be closed once ``take_output`` is written.
Priorities are read past (section 5.3.2); pushes are neither sent nor taken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from mesh.http.h2 import frames
from mesh.http.h2.errors import Code, ConnectionFault, StreamFault
from mesh.http.h2.flood import Clock, Flood
from mesh.http.h2.frames import FRAME_HEAD, MAX_FRAME_SIZE, MAX_WINDOW, goaway, number, unpad
from mesh.http.h2.head_reader import HeadReader
from mesh.http.h2.sending import Sender
from mesh.http.h2.settings import Limits
from mesh.http.h2.stream import Stream


class Connection(Sender):
    """``last_peer_stream`` is the highest stream the peer opened. ``Server`` and ``Client`` complete it."""

    __slots__ = (
        "_block",
        "_block_ends",
        "_block_of",
        "_block_size",
        "_ended_there",
        "_handlers",
        "_has_settings",
        "_heads",
        "_rest",
        "arrivals",
        "fault",
        "flood",
        "last_peer_stream",
    )

    def __init__(self, limits: Limits, wake: Callable[[], None], clock: Clock) -> None:
        super().__init__(limits, wake)
        self.flood = Flood(clock)
        self.fault: ConnectionFault | None = None
        self.last_peer_stream = 0
        self.arrivals: dict[Stream, None] = {}
        self._heads = HeadReader(limits)
        self._rest = b""
        self._has_settings = False
        self._block: list[bytes] = []  # of a header block that goes on in CONTINUATION
        self._block_of = self._block_size = 0
        self._block_ends = False
        self._ended_there: deque[int] = deque(maxlen=256)  # streams that the peer closed, the latest
        self._handlers = (
            self._on_data,
            self._on_headers,
            self._on_priority,
            self._on_rst_stream,
            self._on_settings,
            self._on_push_promise,
            self._on_ping,
            self._on_goaway,
            self._on_window_update,
            self._on_continuation,
        )

    def receive_data(self, data: bytes) -> None:
        if self.fault is not None:
            return
        try:
            self._read(self._rest + data if self._rest else data)
        except ConnectionFault as fault:
            self._tell_arrivals()
            self.fail(fault)
        else:
            self._tell_arrivals()

    def _tell_arrivals(self) -> None:
        arrivals, self.arrivals = self.arrivals, {}
        for stream in arrivals:
            stream.arrived()
            if stream.held and not (stream.is_paused and stream.remote_open):
                held, stream.held = stream.held, 0
                self.give_credit(stream, held)

    def fail(self, fault: ConnectionFault) -> None:
        """Say why, and be done."""
        self.fault = fault
        self._rest = b""
        self.out.append(goaway(self.last_peer_stream, fault.code, fault.detail.encode()))
        self.wake()

    def _read(self, buffer: bytes) -> None:
        place, size = 0, len(buffer)
        unpack, handlers = FRAME_HEAD.unpack_from, self._handlers
        while size - place >= 9:
            high, low, kind, flags, stream_id = unpack(buffer, place)
            length = high << 8 | low
            if length > MAX_FRAME_SIZE:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, "http2.frame_size")
            begin = place + 9
            place = begin + length
            if place > size:
                place = begin - 9
                break
            stream_id &= MAX_WINDOW
            if self._block_of and (kind != frames.CONTINUATION or stream_id != self._block_of):
                raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.interrupted_header_block")
            if not self._has_settings:
                self._check_first(kind, flags)
            if kind < 10:
                try:
                    handlers[kind](flags, stream_id, buffer[begin:place])
                except StreamFault as fault:
                    self._stream_failed(stream_id, fault)
            else:
                self.flood.control.take()  # section 4.1: unknown types are ignored
        self._rest = buffer[place:]

    def _check_first(self, kind: int, flags: int) -> None:
        """Section 3.4."""
        if kind != frames.SETTINGS or flags & frames.ACK:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.no_settings_first")
        self._has_settings = True

    def _stream_failed(self, stream_id: int, fault: StreamFault) -> None:
        """The peer made us reset a stream: that costs as much as when it resets one itself."""
        self.flood.resets.take()
        stream = self.streams.get(stream_id)
        if stream is None:
            self._send_reset(stream_id, fault.code)
            return
        stream.tell_arrived()
        if stream_id in self.streams:
            self.reset(stream, fault.code)
            stream.failed(fault)

    # bodies

    def _on_data(self, flags: int, stream_id: int, payload: bytes) -> None:
        size = len(payload)
        self.receive_window -= size
        if self.receive_window < 0:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "http2.connection_window")
        stream = self.streams.get(stream_id)
        if stream is None or not stream.remote_open or not stream.has_head:
            self._data_for_nobody(stream_id, stream, size)
            return
        if flags & frames.PADDED:
            payload = unpad(payload)
        stream.receive_window -= size
        if stream.receive_window < 0:
            raise StreamFault(Code.FLOW_CONTROL_ERROR, "http2.stream_window")
        end = bool(flags & frames.END_STREAM)
        if not payload and not end:
            self.flood.empty.take()
        if stream.expected is not None:
            stream.expected -= len(payload)
            if stream.expected < 0 or (end and stream.expected):
                self._credit_connection(size)
                raise StreamFault(Code.PROTOCOL_ERROR, "http2.content_length_mismatch")
        if end:
            self._received_end(stream)
        stream.data_received(payload, end)
        if stream in self.arrivals or (stream.is_paused and stream.remote_open):
            stream.held += size
        else:
            self.give_credit(stream, size)

    def _data_for_nobody(self, stream_id: int, stream: Stream | None, size: int) -> None:
        """Section 5.1: closed streams take no data, but what we reset may still be on its way."""
        self._credit_connection(size)
        if stream is None and stream_id in self._reset_here:
            return
        if stream is None and (not stream_id or self._is_idle(stream_id)):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.data_on_idle_stream")
        if stream is not None and not stream.has_head:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.data_before_headers")
        if stream is None and stream_id in self._ended_there:
            raise ConnectionFault(Code.STREAM_CLOSED, "http2.data_on_closed_stream")
        raise StreamFault(Code.STREAM_CLOSED, "http2.data_on_closed_stream")

    def _received_end(self, stream: Stream) -> None:
        stream.remote_open = False
        if not stream.local_open:
            self.forget(stream)
        self._ended_there.append(stream.id)

    # header blocks

    def _on_headers(self, flags: int, stream_id: int, payload: bytes) -> None:
        if not stream_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.headers_on_stream_0")
        if flags & frames.PADDED:
            payload = unpad(payload)
        if flags & frames.HAS_PRIORITY:
            if len(payload) < 5:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, "http2.priority_size")
            if number(payload) == stream_id:
                raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.stream_depends_on_itself")
            payload = payload[5:]
        end = bool(flags & frames.END_STREAM)
        if not flags & frames.END_HEADERS:
            if not payload:
                self.flood.empty.take()
            self._block_of, self._block_ends = stream_id, end
            self._block, self._block_size = [payload], len(payload)
            return
        self._on_block(stream_id, payload, end)

    def _on_continuation(self, flags: int, stream_id: int, payload: bytes) -> None:
        """A block is taken whole, so it is bounded (CVE-2024-27316), and so is the number of its pieces."""
        if not self._block_of:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.unexpected_continuation")
        if not payload:
            self.flood.empty.take()
        self._block.append(payload)
        self._block_size += len(payload)
        if self._block_size > self.limits.max_header_bytes or len(self._block) > 64:
            raise ConnectionFault(Code.ENHANCE_YOUR_CALM, "http2.continuation_flood")
        if flags & frames.END_HEADERS:
            block, self._block, self._block_of = b"".join(self._block), [], 0
            self._on_block(stream_id, block, self._block_ends)

    def _on_block(self, stream_id: int, block: bytes, end: bool) -> None:
        """Every block is decoded, whoever it is for: the decoder's table depends on it (section 4.3)."""
        stream = self.streams.get(stream_id)
        if stream is None:
            if stream_id in self._reset_here:
                self._heads.skip(block)
            else:
                self._on_unknown_stream(stream_id, block, end)
        elif not stream.remote_open:
            self._heads.skip(block)
            raise StreamFault(Code.STREAM_CLOSED, "http2.headers_on_half_closed_stream")
        elif not stream.has_head:
            self._on_head(stream, block, end)
        else:
            self._on_trailers(stream, block, end)

    def _on_trailers(self, stream: Stream, block: bytes, end: bool) -> None:
        """Section 8.1."""
        trailers = self._heads.trailers(block)
        if not end:
            raise StreamFault(Code.PROTOCOL_ERROR, "http2.trailers_without_end")
        if stream.expected:
            raise StreamFault(Code.PROTOCOL_ERROR, "http2.content_length_mismatch")
        self._received_end(stream)
        stream.trailers_received(trailers)

    def _on_unknown_stream(self, stream_id: int, block: bytes, end: bool) -> None:
        """A stream we do not have: new, or closed."""
        raise NotImplementedError

    def _on_head(self, stream: Stream, block: bytes, end: bool) -> None:
        """The first header block of a stream that is open."""
        raise NotImplementedError

    def _is_idle(self, stream_id: int) -> bool:
        """Whether the stream was never opened, by either side."""
        raise NotImplementedError

    # the rest

    def _on_priority(self, flags: int, stream_id: int, payload: bytes) -> None:
        """Of any stream, also of none that there is: nothing to reset."""
        self.flood.control.take()
        if not stream_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.priority_on_stream_0")
        if len(payload) != 5:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "http2.priority_size")

    def _on_rst_stream(self, flags: int, stream_id: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "http2.rst_stream_size")
        if not stream_id or self._is_idle(stream_id):
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.rst_on_idle_stream")
        stream = self.streams.get(stream_id)
        if stream is not None:
            stream.tell_arrived()
        if stream is None or not self.forget(stream):
            self.flood.control.take()
            return
        self._ended_there.append(stream_id)
        self._peer_reset()
        stream.reset_received(int.from_bytes(payload))

    def _peer_reset(self) -> None:
        """The peer gave up a stream that was open."""

    def _on_settings(self, flags: int, stream_id: int, payload: bytes) -> None:
        self.flood.control.take()
        if stream_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.settings_on_a_stream")
        if flags & frames.ACK:
            if payload:
                raise ConnectionFault(Code.FRAME_SIZE_ERROR, "http2.settings_size")
            return
        grown = self.peer.take(payload)
        self.out.append(frames.frame(frames.SETTINGS, frames.ACK, 0, b""))
        if grown:
            self._initial_window_changed(grown)
        self._settings_changed()

    def _initial_window_changed(self, grown: int) -> None:
        """Section 6.9.2: for all streams, and it may take windows below zero."""
        for stream in list(self.streams.values()):
            stream.send_window += grown
            if stream.send_window > MAX_WINDOW:
                raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "http2.window_overflow")
        self._send_queued()

    def _settings_changed(self) -> None:
        """The peer's limits may be others now."""

    def _on_push_promise(self, flags: int, stream_id: int, payload: bytes) -> None:
        raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.push_promise")

    def _on_ping(self, flags: int, stream_id: int, payload: bytes) -> None:
        self.flood.control.take()
        if stream_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.ping_on_a_stream")
        if len(payload) != 8:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "http2.ping_size")
        if flags & frames.ACK:
            self._ping_answered()
        else:
            self.out.append(frames.frame(frames.PING, frames.ACK, 0, payload))

    def _ping_answered(self) -> None:
        """The peer has seen what we sent before our PING."""

    def _on_goaway(self, flags: int, stream_id: int, payload: bytes) -> None:
        self.flood.control.take()
        if stream_id:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.goaway_on_a_stream")
        if len(payload) < 8:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "http2.goaway_size")
        self._going_away(number(payload))

    def _going_away(self, last_stream_id: int) -> None:
        """The peer takes no stream above that one."""

    def _on_window_update(self, flags: int, stream_id: int, payload: bytes) -> None:
        self.flood.windows.take()
        if len(payload) != 4:
            raise ConnectionFault(Code.FRAME_SIZE_ERROR, "http2.window_update_size")
        size = number(payload)
        if not stream_id:
            self._connection_window_grew(size)
            return
        stream = self.streams.get(stream_id)
        if stream is None:
            if self._is_idle(stream_id):
                raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.window_update_on_idle_stream")
            return
        if not size:
            raise StreamFault(Code.PROTOCOL_ERROR, "http2.window_update_of_0")
        stream.send_window += size
        if stream.send_window > MAX_WINDOW:
            raise StreamFault(Code.FLOW_CONTROL_ERROR, "http2.window_overflow")
        if stream.queue:
            self._send_queued()

    def _connection_window_grew(self, size: int) -> None:
        if not size:
            raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.window_update_of_0")
        self._send_window += size
        if self._send_window > MAX_WINDOW:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, "http2.window_overflow")
        if self._blocked:
            self._send_queued()
