"""Frames as bytes (RFC 9113 sections 4 and 6).

length 24 | type 8 | flags 8 | R 1, stream 31 | payload
"""

from __future__ import annotations

from struct import Struct

from mesh.http.h2.errors import Code, ConnectionFault

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS = range(5)
PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(5, 10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
HAS_PRIORITY = 0x20
MAX_WINDOW = MAX_STREAM_ID = 2**31 - 1
MAX_FRAME_SIZE = 16384  # what we take: the least a peer may count on; larger ones win nothing here

# the length in two parts, for there is no 24-bit format
FRAME_HEAD = Struct(">HBBBL")
_pack = FRAME_HEAD.pack
_NUMBER = Struct(">L")
_TWO_NUMBERS = Struct(">LL")


def frame_head(size: int, kind: int, flags: int, stream_id: int) -> bytes:
    return _pack(size >> 8, size & 255, kind, flags, stream_id)


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    return _pack(len(payload) >> 8, len(payload) & 255, kind, flags, stream_id) + payload


def data_frames(stream_id: int, data: bytes, end: bool, max_size: int) -> bytes:
    """One frame, or several when ``data`` is larger than the peer takes in one."""
    size = len(data)
    if size <= max_size:
        return _pack(size >> 8, size & 255, DATA, end, stream_id) + data
    parts: list[bytes | memoryview] = []
    whole = memoryview(data)  # its slices are no copies
    for place in range(0, size, max_size):
        piece = whole[place : place + max_size]
        parts += (frame_head(len(piece), DATA, end and place + max_size >= size, stream_id), piece)
    return b"".join(parts)


def header_frames(stream_id: int, block: bytes, end: bool, max_size: int) -> bytes:
    """HEADERS, with CONTINUATION behind it when the block is larger than the peer takes in one."""
    size = len(block)
    if size <= max_size:
        return _pack(size >> 8, size & 255, HEADERS, END_HEADERS | end, stream_id) + block
    parts = [frame(HEADERS, int(end), stream_id, block[:max_size])]
    for place in range(max_size, size, max_size):
        flags = END_HEADERS if place + max_size >= size else 0
        parts.append(frame(CONTINUATION, flags, stream_id, block[place : place + max_size]))
    return b"".join(parts)


def rst_stream(stream_id: int, code: int) -> bytes:
    return frame(RST_STREAM, 0, stream_id, _NUMBER.pack(code))


def window_update(stream_id: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream_id, _NUMBER.pack(size))


def goaway(last_stream_id: int, code: int, debug: bytes = b"") -> bytes:
    return frame(GOAWAY, 0, 0, _TWO_NUMBERS.pack(last_stream_id, code) + debug)


def number(payload: bytes) -> int:
    """The first 31 bits: an error code's 32 are never that large."""
    return int.from_bytes(payload[:4]) & MAX_WINDOW


def unpad(payload: bytes) -> bytes:
    """The content of a PADDED frame. Raises ConnectionFault (sections 6.1 and 6.2)."""
    if not payload or payload[0] >= len(payload):
        raise ConnectionFault(Code.PROTOCOL_ERROR, "http2.invalid_padding")
    return payload[1 : len(payload) - payload[0]]
