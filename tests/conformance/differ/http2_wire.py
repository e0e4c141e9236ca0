"""HTTP/2 frames as the harness itself writes and reads them (RFC 9113), without a line of either proxy.

Written is anything, also what breaks the rules; read is strictly: a frame of the proxy that breaks them is
``Malformed``.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from struct import Struct, error

from hpack import Decoder, HPACKError
from hpack.hpack import encode_integer

from differ.wire import Fields, Malformed

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED, HAS_PRIORITY = 0x4, 0x8, 0x20
ENABLE_PUSH, MAX_STREAMS, INITIAL_WINDOW, MAX_FRAME, MAX_LIST = range(2, 7)
DEFAULT_WINDOW, MAX_FRAME_SIZE = 65535, 16384  # sections 6.9.2 and 6.5.2
CODES = (
    "NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT",
    "STREAM_CLOSED", "FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
)  # fmt: skip
_HEAD, _NUMBER, _SETTING = Struct(">HBBBL"), Struct(">L"), Struct(">HL")
_CONNECTIONS = ("connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade")  # 8.2.2


@dataclass(frozen=True, slots=True)
class Frame:
    """``stream`` None: the one of the request that is answered. ``length`` lies about the payload's."""

    kind: int
    flags: int = 0
    stream: int | None = 0
    payload: bytes = b""
    length: int | None = None

    def encode(self, stream: int | None = None) -> bytes:
        number = stream if self.stream is None else self.stream
        assert number is not None, "a frame on a request's stream, and there is no request"
        size = len(self.payload) if self.length is None else self.length
        return _HEAD.pack(size >> 8, size & 255, self.kind, self.flags, number) + self.payload


def block(*fields: tuple[str, str]) -> bytes:
    """A header block of literals (RFC 7541 section 6.2.2): the same bytes at any time."""
    return b"".join(b"\0" + text(name) + text(value) for name, value in fields)


def text(value: str) -> bytes:
    encoded = value.encode("latin-1")
    return bytes(encode_integer(len(encoded), 7)) + encoded


def headers(
    stream: int | None, payload: bytes, *, end: bool = True, flags: int = 0, whole: bool = True
) -> Frame:
    """``whole`` False: CONTINUATION follows."""
    return Frame(HEADERS, flags | (END_HEADERS if whole else 0) | end, stream, payload)


def data(stream: int | None, payload: bytes = b"", *, end: bool = False, flags: int = 0) -> Frame:
    return Frame(DATA, flags | end, stream, payload)


def continuation(stream: int | None, payload: bytes, *, whole: bool = True) -> Frame:
    return Frame(CONTINUATION, END_HEADERS if whole else 0, stream, payload)


def rst(stream: int | None, code: int) -> Frame:
    return Frame(RST_STREAM, 0, stream, _NUMBER.pack(code))


def settings(*entries: tuple[int, int], ack: bool = False) -> Frame:
    return Frame(SETTINGS, int(ack), 0, b"".join(_SETTING.pack(*entry) for entry in entries))


def ping(payload: bytes, *, ack: bool = False) -> Frame:
    return Frame(PING, int(ack), 0, payload)


def goaway(last_stream: int, code: int = 0) -> Frame:
    return Frame(GOAWAY, 0, 0, _NUMBER.pack(last_stream) + _NUMBER.pack(code))


def window_update(stream: int | None, size: int) -> Frame:
    return Frame(WINDOW_UPDATE, 0, stream, _NUMBER.pack(size))


def priority(stream: int, on: int, weight: int = 15) -> Frame:
    return Frame(PRIORITY, 0, stream, _NUMBER.pack(on) + bytes((weight,)))


@dataclass(slots=True)
class Arrived:
    """A frame that was read; a header block is whole and decoded. ``size``: what flow control counts."""

    kind: int
    flags: int
    stream: int
    payload: bytes
    fields: Fields = field(default_factory=list)
    size: int = 0

    @property
    def ends(self) -> bool:
        return self.kind in (DATA, HEADERS) and bool(self.flags & END_STREAM)

    @property
    def code(self) -> str:
        """Of RST_STREAM and GOAWAY."""
        number = _NUMBER.unpack_from(self.payload, 4 if self.kind == GOAWAY else 0)[0]
        return CODES[number] if number < len(CODES) else str(number)


class Windows:
    """What the proxy may send us; to be told of every frame we send."""

    def __init__(self) -> None:
        self._initial = self._connection = DEFAULT_WINDOW
        self._streams: dict[int, int] = {}
        self._shrunk = False  # how much it had sent before it knew is its own business

    def sent(self, frame: Frame, stream: int | None = None) -> None:
        if frame.kind == WINDOW_UPDATE and len(frame.payload) == 4:
            number = stream if frame.stream is None else frame.stream
            size = _NUMBER.unpack(frame.payload)[0]
            if number:
                self._streams[number] = self._streams.get(number, self._initial) + size
            else:
                self._connection += size
        elif frame.kind == SETTINGS and not frame.flags & ACK and len(frame.payload) % 6 == 0:
            for name, value in _SETTING.iter_unpack(frame.payload):
                if name == INITIAL_WINDOW:
                    grown, self._initial = value - self._initial, value
                    self._shrunk |= grown < 0
                    self._streams = {number: left + grown for number, left in self._streams.items()}

    def received(self, frame: Arrived) -> None:
        """Raises Malformed (RFC 9113 section 6.9)."""
        self._connection -= frame.size
        left = self._streams[frame.stream] = self._streams.get(frame.stream, self._initial) - frame.size
        if frame.size and (self._connection < 0 or left < 0) and not self._shrunk:
            raise Malformed(f"more than the windows of stream {frame.stream} let it send")


class Reader:
    """Reads what the proxy sends, frame by frame."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._decoder = Decoder(max_header_list_size=1 << 20)
        self.windows = Windows()

    async def read(self) -> Arrived | None:
        """None at the end. Raises Malformed."""
        frame = await self._read_frame()
        if frame is None:
            return None
        if frame.kind == HEADERS:
            await self._read_block(frame)
        elif frame.kind == DATA:
            frame.size = len(frame.payload)
            frame.payload = _unpadded(frame)
            self.windows.received(frame)
        return frame

    async def _read_frame(self) -> Arrived | None:
        try:
            head = await self._reader.readexactly(9)
            high, low, kind, flags, stream = _HEAD.unpack(head)
            payload = await self._reader.readexactly(high << 8 | low)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        except error as wrong:
            raise Malformed(str(wrong)) from None
        if len(payload) > MAX_FRAME_SIZE:
            raise Malformed(f"a frame of {len(payload)} bytes")
        return Arrived(kind, flags, stream, payload)

    async def _read_block(self, frame: Arrived) -> None:
        encoded = _unpadded(frame)[5 if frame.flags & HAS_PRIORITY else 0 :]
        flags = frame.flags
        while not flags & END_HEADERS:
            following = await self._read_frame()
            if following is None or following.kind != CONTINUATION or following.stream != frame.stream:
                raise Malformed(f"in a header block, where CONTINUATION has to be: {following}")
            encoded += following.payload
            flags = following.flags
        try:
            fields = self._decoder.decode(encoded, raw=True)
        except HPACKError as wrong:
            raise Malformed(f"a header block that is none: {wrong}") from None
        frame.fields = [
            (bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in fields
        ]
        _check(frame.fields)


def _unpadded(frame: Arrived) -> bytes:
    if not frame.flags & PADDED:
        return frame.payload
    return frame.payload[1 : len(frame.payload) - frame.payload[0]]


def _check(fields: Fields) -> None:
    """Sections 8.2 and 8.3."""
    seen_plain = False
    for name, value in fields:
        if not name or name != name.lower() or name in _CONNECTIONS or (name == "te" and value != "trailers"):
            raise Malformed(f"not a field of HTTP/2: {name}: {value}")
        if name.startswith(":") and seen_plain:
            raise Malformed(f"not in this place: {name}: {value}")
        seen_plain |= not name.startswith(":")
