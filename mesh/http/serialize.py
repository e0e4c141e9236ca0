"""Heads and chunks -> bytes. A head is joined once and sent in one write with what body there is."""

from __future__ import annotations

from mesh.http.message import Fields, Repeats, Trailers
from mesh.http.status import STATUS_LINES

LAST_CHUNK = b"0\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_colon = b": ".join


def request_head(method: bytes, path: bytes, fields: Fields, repeats: Repeats) -> bytes:
    """The parts must have passed the parser's checks (or be ours): nothing is escaped here."""
    lines = b"\r\n".join(map(_colon, fields.items()))
    if repeats:
        lines += b"\r\n" + b"\r\n".join(map(_colon, repeats))
    return b"%b %b HTTP/1.1\r\n%b\r\n\r\n" % (method, path, lines)


def response_head(status: int, fields: Fields, repeats: Repeats) -> bytes:
    lines = b"\r\n".join(map(_colon, fields.items()))
    if repeats:
        lines += b"\r\n" + b"\r\n".join(map(_colon, repeats))
    if not lines:
        return STATUS_LINES[status] + b"\r\n"
    return b"%b%b\r\n\r\n" % (STATUS_LINES[status], lines)


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; nothing for no data, for an empty chunk would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def last_chunk(trailers: Trailers) -> bytes:
    """The end of a chunked body, with its trailers (RFC 9112 section 7.1.2)."""
    if not trailers:
        return LAST_CHUNK
    return b"0\r\n%b\r\n\r\n" % b"\r\n".join(map(_colon, trailers))
