"""Both sides of HTTP/2: the same events for any split, no more out than in, one reading behind us.

``SERVER`` and ``CLIENT`` get bytes as a peer sends them. ``FRAMES`` makes whole frames of the input, so that
lengths, which mutations break first, are right and what they break next is the content.
"""

from __future__ import annotations

from fuzzing.pieces import splits
from fuzzing.target import Target, expect
from fuzzing.targets.http1_request import check_forwarded
from mesh.http.errors import RequestError
from mesh.http.h2 import frames
from mesh.http.h2.client import Client
from mesh.http.h2.connection import Connection
from mesh.http.h2.errors import StreamFault
from mesh.http.h2.frames import PREFACE, frame, rst_stream, window_update
from mesh.http.h2.hpack import encode_field
from mesh.http.h2.server import Server
from mesh.http.h2.settings import Limits
from mesh.http.h2.stream import Stream
from mesh.http.message import Framing, Message, Request, Trailers

_LIMITS = Limits(max_streams=4, max_header_bytes=2048, protocols=frozenset((b"websocket",)))
_MOST_ANSWERED = 30  # bytes we may send for a frame, beside what PING gives us to repeat
_METHODS = (b"GET", b"HEAD", b"POST", b"CONNECT")


class _Seen:
    """What a connection told its streams, and the messages that became complete."""

    def __init__(self) -> None:
        self.events: list[tuple[object, ...]] = []
        self.complete: list[Message] = []


class _Stream(Stream):
    """Writes down what it is told; ``method`` is the request's, on the client's side."""

    def __init__(self, connection: Connection, stream_id: int, seen: _Seen, method: bytes = b"GET") -> None:
        super().__init__(connection, stream_id)
        self.seen, self.method = seen, method
        self.message: Message | None = None

    def note(self, *what: object) -> None:
        self.seen.events.append((self.id, *what))

    def head_received(self, message: Message) -> None:
        self.message = message
        message.complete = not self.remote_open
        self.note("head", list(message.fields.items()), message.repeats, message.framing, message.complete)
        if message.complete:
            self.seen.complete.append(message)

    def data_received(self, data: bytes, end: bool) -> None:
        self.note("data", data, end)
        if self.message is not None:  # else it was refused, and this is the rest of it
            self.message.chunks.append(data)
            self._ended(self.message, end)

    def trailers_received(self, trailers: Trailers) -> None:
        self.note("trailers", list(trailers))
        if self.message is not None:
            self.message.trailers = trailers
            self._ended(self.message, True)

    def _ended(self, message: Message, end: bool) -> None:
        if end:
            message.complete = True
            self.seen.complete.append(message)

    def reset_received(self, code: int) -> None:
        self.note("reset", code)

    def failed(self, fault: StreamFault) -> None:
        self.note("failed", fault.code, fault.detail)

    def request_refused(self, error: RequestError) -> None:
        self.note("refused", error.status, error.detail)


def serve(*pieces: bytes) -> tuple[_Seen, Server, bytes]:
    seen = _Seen()
    server = Server(lambda made, number: _Stream(made, number, seen), _LIMITS, lambda: None, lambda: 0.0)
    server.take_output()  # our own settings
    for piece in pieces:
        server.receive_data(piece)
        expect(len(server.streams) <= _LIMITS.max_streams, "more streams than the limit", len(server.streams))
    return seen, server, server.take_output()


def ask(*pieces: bytes) -> tuple[_Seen, Client, bytes]:
    """As a client that asked for something by each method."""
    seen = _Seen()
    client = Client(lambda: None, _LIMITS, lambda: None, lambda: 0.0)
    for method in _METHODS:
        stream = _Stream(client, 0, seen, method)
        client.open(stream)
        client.send_head(stream, encode_field((b":method", method)), True)
    client.take_output()
    for piece in pieces:
        client.receive_data(piece)
    return seen, client, client.take_output()


def check_server(data: bytes) -> None:
    seen, server, out = serve(data)
    _check_output(data, out)
    for pieces in splits(data):
        others, other, other_out = serve(*pieces)
        expect(others.events == seen.events, "a split changes the events", seen.events, others.events, pieces)
        expect(other_out == out, "a split changes what is sent", out, other_out, pieces)
        expect(str(other.fault) == str(server.fault), "a split changes the fault", server.fault, other.fault)
    for message in seen.complete:
        assert isinstance(message, Request)
        if message.framing is not Framing.TUNNEL:
            check_forwarded(message)


def check_client(data: bytes) -> None:
    seen, client, out = ask(data)
    _check_output(data, out)
    for pieces in splits(data):
        others, other, other_out = ask(*pieces)
        expect(others.events == seen.events, "a split changes the events", seen.events, others.events, pieces)
        expect(other_out == out, "a split changes what is sent", out, other_out, pieces)
        expect(str(other.fault) == str(client.fault), "a split changes the fault", client.fault, other.fault)


def _check_output(data: bytes, out: bytes) -> None:
    """Nobody gets much more out of us than he sends."""
    most = 100 + len(data) + _MOST_ANSWERED * (len(data) // 9)
    expect(len(out) <= most, "more is sent than the peer's frames ask for", len(data), len(out))


def framed(script: bytes) -> bytes:
    """kind | flags | stream | length, and so many bytes: as many whole frames as there are."""
    out, place = [], 0
    while place + 4 <= len(script):
        kind, flags, stream, length = script[place : place + 4]
        out.append(frame(kind % 11, flags, stream % 16, script[place + 4 : place + 4 + length]))
        place += 4 + length
    return b"".join(out)


def check_frames(script: bytes) -> None:
    data = frame(frames.SETTINGS, 0, 0, b"") + framed(script)
    check_server(PREFACE + data)
    check_client(data)


def _block(*fields: tuple[bytes, bytes]) -> bytes:
    return b"".join(map(encode_field, fields))


def _head(stream: int, block: bytes, end: bool = True) -> bytes:
    return frame(frames.HEADERS, frames.END_HEADERS | end, stream, block)


_START = frame(frames.SETTINGS, 0, 0, b"\0\4\0\0\1\0")
_AUTHORITY = (b":authority", b"reviews:9080")
_GET = _block((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/a?b"), _AUTHORITY, (b"cookie", b"a"))
_POST = _block((b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/"), _AUTHORITY)
_SIZED = _POST + _block((b"content-length", b"3"), (b"te", b"trailers"))
_CHAT = _block((b":method", b"CONNECT"), (b":scheme", b"http"), (b":path", b"/"), _AUTHORITY)
_CHAT += _block((b":protocol", b"websocket"))
_DATA = frame(frames.DATA, 1, 3, b"abc")
_OK, _SIZED_OK = _block((b":status", b"200")), _block((b":status", b"200"), (b"content-length", b"3"))
_TRAILERS = _block((b"grpc-status", b"0"))
_PAD = frame(frames.DATA, frames.PADDED | 1, 1, b"\2abc\0\0")


def _script(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return bytes((kind, flags, stream, len(payload))) + payload


_WORDS = (
    b":method", b":path", b":scheme", b":authority", b":status", b":protocol", b"connection", b"host", b"te",
    b"transfer-encoding", b"content-length", b"cookie", b"\0\0\0\4\1\0\0\0\0", b"\0\0\1", b"\r\n", b"\0",
    b"\x80",
    _block((b"content-length", b"1")), _block((b"transfer-encoding", b"chunked")), _block((b"host",
    b"other")),
    _block((b"x-a", b"1")), _block((b"connection", b"x-a")), _GET, _POST, _TRAILERS, b"\x20", b"\x3f\xe1\x1f",
)  # fmt: skip

SERVER = Target(
    "http2-server",
    check_server,
    (
        PREFACE
        + _START
        + _head(1, _GET)
        + frame(frames.PING, 0, 0, bytes(8))
        + _head(3, _SIZED, False)
        + _DATA,
        PREFACE + _START + _head(1, _POST, False) + _PAD + _head(3, _POST, False) + _DATA[:-1] + b"d",
        PREFACE
        + _START
        + _head(1, _POST, False)
        + frame(0, 0, 1, b"ab")
        + _head(1, _TRAILERS)
        + rst_stream(1, 8),
        PREFACE
        + _START
        + frame(frames.HEADERS, 1, 1, _GET[:9])
        + frame(9, 4, 1, _GET[9:])
        + window_update(0, 9),
        PREFACE + _START + _head(1, _CHAT, False) + frame(0, 0, 1, b"\x81\0") + frames.goaway(0, 0, b"bye"),
    ),
    _WORDS,
)
CLIENT = Target(
    "http2-client",
    check_client,
    (
        _START
        + frame(frames.SETTINGS, 1, 0, b"")
        + _head(1, _OK, False)
        + frame(0, 1, 1, b"abc")
        + _head(3, _OK),
        _START + _head(5, _SIZED_OK, False) + frame(0, 0, 5, b"abc") + _head(5, _TRAILERS) + rst_stream(1, 7),
        _START
        + _head(7, _OK, False)
        + frame(0, 0, 7, b"bytes")
        + window_update(7, 100)
        + frames.goaway(3, 0),
        _START
        + _head(1, _block((b":status", b"100")), False)
        + _head(1, _OK)
        + frame(frames.PING, 0, 0, bytes(8)),
    ),
    _WORDS,
)
FRAMES = Target(
    "http2-frames",
    check_frames,
    (
        _script(1, 5, 1, _GET) + _script(6, 0, 0, bytes(8)) + _script(1, 4, 3, _SIZED) + _script(0, 1, 3,
        b"abc"),
        _script(1, 4, 1, _OK) + _script(0, 1, 1, b"abc") + _script(1, 5, 3, _OK) + _script(3, 0, 5,
        b"\0\0\0\7"),
        _script(1, 4, 1, _POST) + _script(0, 9, 1, b"\2abc\0\0") + _script(8, 0, 0,
        b"\0\0\1\0") + _script(2, 0, 5, b"12345"),
        _script(1, 4, 5, _POST) + _script(0, 0, 5, b"ab") + _script(1, 5, 5,
        _TRAILERS) + _script(7, 0, 0, bytes(8)),
        _script(1, 0, 7, _CHAT[:8]) + _script(9, 4, 7, _CHAT[8:]) + _script(0, 0, 7,
        b"\x81\0") + _script(4, 0, 0, bytes(6)),
    ),
    _WORDS,
    max_bytes=2048,
)  # fmt: skip
