"""The sending half of a connection: what streams send goes to ``out`` as far as the windows let it.

    send_message, or send_head / send_data / send_trailers
                                          -> out                 (the windows are open)
                                          -> stream.queue        (they are not: the stream is ``blocked``)
    WINDOW_UPDATE, SETTINGS               -> queues -> out       (in turns of one frame a stream)

``wake`` is called when something was put into ``out`` outside of ``receive_data``: whoever owns the socket
then writes everything at once.
"""

from __future__ import annotations

from collections.abc import Callable

from mesh.http.h2.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    MAX_FRAME_SIZE,
    MAX_WINDOW,
    data_frames,
    frame_head,
    header_frames,
    rst_stream,
    window_update,
)
from mesh.http.h2.settings import DEFAULT_WINDOW, Limits, PeerSettings
from mesh.http.h2.stream import Stream


class Sender:
    """``take_output`` gives what is to be written."""

    __slots__ = (
        "_blocked",
        "_reset_here",
        "_send_window",
        "_unacknowledged",
        "limits",
        "out",
        "peer",
        "receive_window",
        "streams",
        "wake",
    )

    def __init__(self, limits: Limits, wake: Callable[[], None]) -> None:
        self.limits = limits
        self.wake = wake
        self.out: list[bytes] = []
        self.peer = PeerSettings()
        self.streams: dict[int, Stream] = {}
        self.receive_window = limits.connection_window
        self._send_window = DEFAULT_WINDOW
        self._unacknowledged = 0
        self._blocked: dict[int, Stream] = {}  # in the order in which they get their turn
        self._reset_here: dict[int, None] = {}  # streams whose frames may still be on their way

    def take_output(self) -> bytes:
        out, self.out = self.out, []
        return out[0] if len(out) == 1 else b"".join(out)

    # what a stream sends

    def send_message(self, stream: Stream, head: bytes, data: bytes, trailers: bytes) -> None:
        """Head, body and trailers that are all there: as most messages are, in one frame of each."""
        size = len(data)
        most = min(stream.send_window, self._send_window, self.peer.max_frame_size)
        if size > most or len(head) > MAX_FRAME_SIZE or len(trailers) > MAX_FRAME_SIZE:
            self.send_head(stream, head, False)
            self.send_data(stream, data, not trailers)
            if trailers:
                self.send_trailers(stream, trailers)
            return
        if not stream.local_open:
            return
        stream_id, end_of_body = stream.id, 0 if trailers else END_STREAM
        frames = [frame_head(len(head), HEADERS, END_HEADERS | (0 if data else end_of_body), stream_id), head]
        if data:
            stream.send_window -= size
            self._send_window -= size
            frames += (frame_head(size, DATA, end_of_body, stream_id), data)
        if trailers:
            frames += (frame_head(len(trailers), HEADERS, END_HEADERS | END_STREAM, stream_id), trailers)
        self.out += frames
        self._sent_end(stream)
        self.wake()

    def send_head(self, stream: Stream, block: bytes, end: bool) -> None:
        if not stream.local_open:
            return
        self.out.append(header_frames(stream.id, block, end, self.peer.max_frame_size))
        if end:
            self._sent_end(stream)
        self.wake()

    def send_data(self, stream: Stream, data: bytes, end: bool) -> None:
        """More of the body; what does not fit into the windows waits."""
        if not stream.local_open:
            return
        size = len(data)
        if stream.queue or (size and (size > stream.send_window or size > self._send_window)):
            self._queue(stream, data, end)
        else:
            stream.send_window -= size
            self._send_window -= size
            self.out.append(data_frames(stream.id, data, end, self.peer.max_frame_size))
            if end:
                self._sent_end(stream)
        self.wake()

    def send_trailers(self, stream: Stream, block: bytes) -> None:
        """The end, with fields."""
        if not stream.local_open:
            return
        if stream.queue:
            stream.queued_trailers = block
        else:
            self.out.append(header_frames(stream.id, block, True, self.peer.max_frame_size))
            self._sent_end(stream)
        self.wake()

    def reset(self, stream: Stream, code: int) -> None:
        """Want nothing more of a stream, and send nothing more."""
        if self.forget(stream):
            self._send_reset(stream.id, code)
            self.wake()

    def _send_reset(self, stream_id: int, code: int) -> None:
        self.out.append(rst_stream(stream_id, code))
        self._reset_here[stream_id] = None
        if len(self._reset_here) > 1024:
            del self._reset_here[next(iter(self._reset_here))]

    def forget(self, stream: Stream) -> bool:
        """It is closed; False: it was already."""
        stream.local_open = stream.remote_open = False
        if self.streams.pop(stream.id, None) is None:
            return False
        self._blocked.pop(stream.id, None)
        stream.queue.clear()
        if stream.held:
            self._credit_connection(stream.held)
            stream.held = 0
        return True

    def _sent_end(self, stream: Stream) -> None:
        stream.local_open = False
        if not stream.remote_open:
            self.forget(stream)
        stream.end_sent()

    # what waits for windows

    def _queue(self, stream: Stream, data: bytes, end: bool) -> None:
        if data:
            stream.queue.append(data)
        stream.end_queued = end
        self._blocked[stream.id] = stream
        if stream.queue and stream.send_window > 0 and self._send_window > 0:
            self._send_some(stream, MAX_WINDOW)
        if stream.queue:
            stream.blocked()

    def _send_queued(self) -> None:
        """Let every stream that waits send a frame in turn, until the windows are full or nobody waits."""
        waiting, frame_size = list(self._blocked.values()), self.peer.max_frame_size
        while waiting and self._send_window > 0:
            waiting = [
                stream
                for stream in waiting
                if stream.send_window > 0 and self._send_window > 0 and self._send_some(stream, frame_size)
            ]

    def _send_some(self, stream: Stream, most: int) -> bool:
        """So many bytes of what waits, as far as the windows let them; whether there is more."""
        size = min(stream.send_window, self._send_window, most)
        queue = stream.queue
        data = queue[0] if len(queue) == 1 else b"".join(queue)
        piece = data[:size]
        queue[:] = [data[size:]] if len(data) > size else []
        stream.send_window -= len(piece)
        self._send_window -= len(piece)
        end = stream.end_queued and not queue
        self.out.append(data_frames(stream.id, piece, end, self.peer.max_frame_size))
        if queue:
            return True
        self._blocked.pop(stream.id, None)
        if stream.queued_trailers is not None:
            self.send_trailers(stream, stream.queued_trailers)
        elif end:
            self._sent_end(stream)
        else:
            stream.writable()
        return bool(stream.queue)

    # what we take in

    def give_credit(self, stream: Stream, size: int) -> None:
        """The peer may send that much again: told when half a window has come together."""
        self._credit_connection(size)
        if stream.remote_open:
            stream.unacknowledged += size
            if stream.unacknowledged * 2 >= self.limits.stream_window:
                self.out.append(window_update(stream.id, stream.unacknowledged))
                stream.receive_window += stream.unacknowledged
                stream.unacknowledged = 0

    def _credit_connection(self, size: int) -> None:
        self._unacknowledged += size
        if self._unacknowledged * 2 >= self.limits.connection_window:
            self.out.append(window_update(0, self._unacknowledged))
            self.receive_window += self._unacknowledged
            self._unacknowledged = 0
