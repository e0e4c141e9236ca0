"""HTTP/1.1 as the harness reads it: strictly, and without a line of either proxy's code."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

Fields = list[tuple[str, str]]
PRIOR_KNOWLEDGE = "PRI * HTTP/2.0"  # RFC 9113 section 3.4: not HTTP/1, but its first line looks so
_START = re.compile(r"PRI \* HTTP/2\.0|HTTP/1\.[01] [1-9][0-9]{2} .*|[!-~]+ [!-\xff]+ HTTP/1\.[01]")
LIMIT = 1 << 20  # bytes of a head or a chunk's line


class Malformed(Exception):
    """Bytes that are no HTTP message."""


@dataclass(slots=True)
class Message:
    """``start`` is the request line or the status line. ``complete`` False: the end never came."""

    start: str
    fields: Fields
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    complete: bool = False

    def values(self, name: str) -> list[str]:
        return [value for known, value in self.fields if known == name]

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])


async def read_head(reader: asyncio.StreamReader) -> Message | None:
    """None when the connection ended between messages. Raises Malformed."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as end:
        if end.partial:
            raise Malformed(f"a head without end: {end.partial!r}") from None
        return None
    start, *lines = head.decode("latin-1").split("\r\n")[:-2]
    if _START.fullmatch(start) is None:
        raise Malformed(f"not a start line: {start!r}")
    return Message(start, [_field(line) for line in lines])


def _field(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name or name != name.strip() or "\n" in line or "\r" in line:
        raise Malformed(f"not a field: {line!r}")
    return name.lower(), value.strip(" \t")


async def read_request_body(reader: asyncio.StreamReader, message: Message) -> None:
    """A request without either framing has no body (RFC 9112 section 6.3)."""
    codings, lengths = message.values("transfer-encoding"), message.values("content-length")
    if (codings and lengths) or len(codings) > 1 or len(lengths) > 1:
        raise Malformed(f"ambiguous framing was sent: {codings} {lengths}")
    await _read_body(reader, message, bool(codings), lengths, until_close=False)


async def read_response_body(reader: asyncio.StreamReader, message: Message, method: str) -> None:
    if method == "HEAD" or message.status in (204, 304) or message.status < 200:
        message.complete = True
        return
    codings, lengths = message.values("transfer-encoding"), message.values("content-length")
    if codings and lengths:
        raise Malformed(f"ambiguous framing was sent: {codings} {lengths}")
    await _read_body(reader, message, bool(codings), lengths, until_close=True)


async def _read_body(
    reader: asyncio.StreamReader, message: Message, chunked: bool, lengths: list[str], *, until_close: bool
) -> None:
    """Fill in the body as it arrives, so that what a broken connection leaves is kept."""
    try:
        if chunked:
            await _read_chunks(reader, message)
        elif lengths:
            message.body = await reader.readexactly(int(lengths[0]))
        elif until_close:
            message.body = await _read_to_the_end(reader, message)
        message.complete = True
    except asyncio.IncompleteReadError as end:
        message.body += end.partial
    except ConnectionError:
        pass


async def _read_to_the_end(reader: asyncio.StreamReader, message: Message) -> bytes:
    while data := await reader.read(65536):
        message.body += data
    return message.body


async def _read_chunks(reader: asyncio.StreamReader, message: Message) -> None:
    while size := _size(await reader.readuntil(b"\r\n")):
        message.body += await reader.readexactly(size)
        if await reader.readexactly(2) != b"\r\n":
            raise Malformed("a chunk that is longer than it says")
    while line := (await reader.readuntil(b"\r\n"))[:-2]:
        message.trailers.append(_field(line.decode("latin-1")))


def _size(line: bytes) -> int:
    try:
        return int(line, 16)
    except ValueError:
        raise Malformed(f"not a chunk size: {line!r}") from None
