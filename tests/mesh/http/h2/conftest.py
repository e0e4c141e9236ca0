"""A server's side of a connection with streams that write down what they are told, and a client's frames."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import NamedTuple

import pytest

from mesh.http.errors import RequestError
from mesh.http.h2 import frames
from mesh.http.h2.connection import Connection
from mesh.http.h2.errors import Code, StreamFault
from mesh.http.h2.frames import FRAME_HEAD, PREFACE, frame
from mesh.http.h2.hpack import encode_field
from mesh.http.h2.server import Server
from mesh.http.h2.settings import Limits
from mesh.http.h2.stream import Stream
from mesh.http.message import Message, Repeats

HEAD = ((b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a"))
POST = ((b":method", b"POST"), *HEAD[1:])
_NUMBER = Struct(">L")


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


class RecordingStream(Stream):
    """``events`` is the connection's: (stream, what, ...)."""

    events: list[tuple[object, ...]]

    def note(self, *what: object) -> None:
        self.events.append((self.id, *what))

    def head_received(self, message: Message) -> None:
        self.note("head", message.method, message.path, dict(message.fields), message.complete)  # type: ignore[attr-defined]

    def data_received(self, data: bytes, end: bool) -> None:
        if data or end:
            self.note("data", data, end)

    def trailers_received(self, trailers: Repeats) -> None:
        self.note("trailers", trailers)

    def reset_received(self, code: int) -> None:
        self.note("reset", code)

    def failed(self, fault: StreamFault) -> None:
        self.note("failed", fault.code, fault.detail)

    def request_refused(self, error: RequestError) -> None:
        self.note("refused", error.status, error.detail)

    def blocked(self) -> None:
        self.note("blocked")

    def writable(self) -> None:
        self.note("writable")


class Peer:
    """A client that has begun well, unless told otherwise."""

    def __init__(self, limits: Limits, begin: bool = True) -> None:
        self.events: list[tuple[object, ...]] = []
        self.now = 0.0
        self.server = Server(self._make, limits, lambda: None, lambda: self.now)
        if begin:
            self.send(PREFACE + frame(frames.SETTINGS, 0, 0, b""))
            self.sent()

    def _make(self, connection: Connection, stream_id: int) -> RecordingStream:
        stream = RecordingStream(connection, stream_id)
        stream.events = self.events
        return stream

    def send(self, *data: bytes) -> None:
        for piece in data:
            self.server.receive_data(piece)

    def sent(self) -> list[Frame]:
        """The frames the server has sent since."""
        data, found, place = self.server.take_output(), [], 0
        while place < len(data):
            high, low, kind, flags, stream = FRAME_HEAD.unpack_from(data, place)
            size = high << 8 | low
            found.append(Frame(kind, flags, stream, data[place + 9 : place + 9 + size]))
            place += 9 + size
        return found

    @property
    def goaway(self) -> Code | None:
        """The code the connection was ended with."""
        return next((Code(_code(f, 4)) for f in self.sent() if f.kind == frames.GOAWAY), None)

    @property
    def resets(self) -> dict[int, Code]:
        return {f.stream: Code(_code(f, 0)) for f in self.sent() if f.kind == frames.RST_STREAM}

    def verdict(self) -> Code | None:
        """The code of the first GOAWAY or RST_STREAM."""
        for f in self.sent():
            if f.kind in (frames.GOAWAY, frames.RST_STREAM):
                return Code(_code(f, 4 if f.kind == frames.GOAWAY else 0))
        return None


def _code(f: Frame, place: int) -> int:
    return int(_NUMBER.unpack_from(f.payload, place)[0])


def block(*fields: tuple[bytes, bytes]) -> bytes:
    return b"".join(map(encode_field, fields))


def raw(*fields: tuple[bytes, bytes]) -> bytes:
    """Literals as they are, however wrong."""
    return b"".join(b"\0" + bytes((len(n),)) + n + bytes((len(v),)) + v for n, v in fields)


def headers(
    stream: int,
    fields: tuple[tuple[bytes, bytes], ...] = HEAD,
    end: bool = True,
    flags: int = frames.END_HEADERS,
) -> bytes:
    return frame(frames.HEADERS, flags | end, stream, raw(*fields))


def data(stream: int, content: bytes = b"", end: bool = False) -> bytes:
    return frame(frames.DATA, int(end), stream, content)


@pytest.fixture
def peer() -> Peer:
    return Peer(Limits())


@pytest.fixture
def peer_with() -> Callable[..., Peer]:
    """peer_with(max_streams=1) -> a peer of a server with these limits; begin=False: nothing sent yet."""
    return lambda begin=True, **limits: Peer(Limits(**limits), begin)


@pytest.fixture
def wire() -> type:
    class Wire:
        HEAD, POST = HEAD, POST
        block, raw = staticmethod(block), staticmethod(raw)
        headers, data = staticmethod(headers), staticmethod(data)

    return Wire
