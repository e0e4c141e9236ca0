"""Frames and the states of streams (RFC 9113 sections 3 to 6): what h2spec asks for, and more of it."""

from __future__ import annotations

import struct

import pytest
from differ import http2_wire as wire
from differ.case import Case, Do, Upon
from differ.http2_area import area
from differ.http2_case import ask, get, head, post, replies, trailers
from differ.http2_wire import ACK, END_HEADERS, END_STREAM, HAS_PRIORITY, PADDED, PREFACE, Frame
from differ.pair import Pair

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

AREA = area("http2 frames")
HEADERS, DATA, PING, SETTINGS = wire.HEADERS, wire.DATA, wire.PING, wire.SETTINGS
BEGUN = replies(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx", Do.HANG)  # and never ended
OPEN = get(), Upon(1, 1)  # then the request has ended, and its answer has not


def raw(name: str, section: str, *client: object, **options: object) -> Case:
    """Without the preface and the settings that others begin with."""
    return Case(name, f"RFC 9113 {section}", client, http2=True, **options)  # type: ignore[arg-type]


def fault(name: str, section: str, *client: object) -> Case:
    """No answer is awaited, only the end."""
    return ask(name, section, *client, responses=1)  # type: ignore[arg-type]


def number(value: int) -> bytes:
    return struct.pack(">L", value)


def beginnings() -> tuple[Case, ...]:
    """Section 3.4."""
    hello = wire.settings().encode()
    return (
        raw("all in one", "3.4", PREFACE + hello + get().encode()),
        raw("no settings, a ping", "3.4", PREFACE, wire.ping(b"12345678")),
        raw("no settings, a request", "3.4", PREFACE, get()),
        raw("settings that acknowledge", "3.4", PREFACE, wire.settings(ack=True), get()),
        raw("settings on a stream", "3.4", PREFACE, Frame(SETTINGS, 0, 1), get()),
        raw("half a preface", "3.4", PREFACE[:18] + b"XX\r\n\r\n", get(), responses=0),
    )


def frames() -> tuple[Case, ...]:
    """Sections 4 and 5.5."""
    return (
        ask("an unknown type", "4.1", Frame(0x16, 0, 0, b"abc"), get()),
        ask(
            "an unknown type on a stream",
            "4.1",
            post(),
            Frame(0x16, 0xFF, 1, b"abc"),
            wire.data(1, b"x", end=True),
        ),
        ask("an unknown type on an idle stream", "4.1", Frame(0x16, 0, 5, b"abc"), get()),
        ask("an unknown type that is too large", "4.2", Frame(0x16, 0, 0, b"a" * 16385), get()),
        ask("ALTSVC", "RFC 7838 4", Frame(0xA, 0, 0, b"\0\0h2"), get()),
        ask("ORIGIN", "RFC 8336 2", Frame(0xC, 0, 0, b"\0\0"), get()),
        ask("PRIORITY_UPDATE", "RFC 9218 7.1", Frame(0x10, 0, 0, number(1) + b"u=1"), get()),
        ask("flags nobody knows", "4.1", Frame(PING, 0xFE & ~ACK, 0, b"12345678"), get()),
        ask(
            "flags nobody knows on HEADERS", "4.1", Frame(HEADERS, 0xC2 | END_HEADERS | END_STREAM, 1, head())
        ),
        ask("the reserved bit", "4.1", Frame(PING, 0, 0x80000000, b"12345678"), get()),
        ask(
            "the reserved bit on HEADERS", "4.1", Frame(HEADERS, END_HEADERS | END_STREAM, 0x80000001, head())
        ),
        ask("DATA of 16 kB", "4.2", post(), wire.data(1, b"x" * 16384, end=True)),
        fault("DATA of more", "4.2", post(), wire.data(1, b"x" * 16385, end=True)),
        fault("HEADERS of more", "4.2", get(("x-a", "x" * 16400))),
        fault("PING of more", "4.2", Frame(PING, 0, 0, b"x" * 16385)),
        fault("a block that is none", "4.3", wire.headers(1, b"\xff\xff\xff\xff\xff\xff")),
        fault("an empty block", "4.3", wire.headers(1, b"")),
        fault("PRIORITY in a block", "4.3", wire.headers(1, head(), whole=False), wire.priority(1, 0)),
        fault(
            "another stream's HEADERS in a block", "4.3", wire.headers(1, head(), whole=False), get(stream=3)
        ),
        fault("DATA in a block", "4.3", wire.headers(1, head(), whole=False), wire.data(1, b"a", end=True)),
        fault("an unknown type in a block", "5.5", wire.headers(1, head(), whole=False), Frame(0x16, 0, 1)),
        fault("PING in a block", "4.3", wire.headers(1, head(), whole=False), wire.ping(b"12345678")),
        fault("the end in a block", "4.3", wire.headers(1, head(), whole=False), Do.HALF_CLOSE),
    )


def states() -> tuple[Case, ...]:
    """Section 5.1."""
    update, unfinished = wire.window_update(1, 100), wire.continuation(1, head())
    over = get(), Upon(1, over=True)
    gone = post(), Do.SYNC, wire.rst(1, 8), Do.SYNC
    return (
        fault("idle: DATA", "5.1", wire.data(1, b"a", end=True)),
        fault("idle: RST_STREAM", "5.1", wire.rst(1, 8)),
        fault("idle: WINDOW_UPDATE", "5.1", update),
        fault("idle: CONTINUATION", "5.1", unfinished),
        ask("idle: PRIORITY", "5.1", wire.priority(1, 0), get()),
        ask("half closed: DATA", "5.1", *OPEN, wire.data(1, b"a", end=True), replies=BEGUN),
        ask("half closed: HEADERS", "5.1", *OPEN, get(), replies=BEGUN),
        ask("half closed: CONTINUATION", "5.1", *OPEN, unfinished, replies=BEGUN),
        ask("half closed: WINDOW_UPDATE", "5.1", get(), update),
        ask("half closed: PRIORITY", "5.1", get(), wire.priority(1, 0)),
        ask("half closed: RST_STREAM", "5.1", *OPEN, wire.rst(1, 8), replies=BEGUN, responses=0),
        fault("closed: DATA", "5.1", *over, wire.data(1, b"a", end=True), Do.SYNC),
        fault("closed: HEADERS", "5.1", *over, get(), Do.SYNC),
        fault("closed: CONTINUATION", "5.1", *over, unfinished, Do.SYNC),
        ask("closed: WINDOW_UPDATE", "5.1", *over, update),
        ask("closed: PRIORITY", "5.1", *over, wire.priority(1, 0)),
        ask("closed: RST_STREAM", "5.1", *over, wire.rst(1, 8)),
        ask("given up: DATA", "5.1", *gone, wire.data(1, b"a", end=True), Do.SYNC, responses=0),
        ask("given up: HEADERS", "5.1", *gone, get(), Do.SYNC, responses=0),
        ask("given up: CONTINUATION", "5.1", *gone, unfinished, Do.SYNC, responses=0),
        ask("given up: WINDOW_UPDATE", "5.1", *gone, update, responses=0),
        ask("given up: RST_STREAM", "5.1", *gone, wire.rst(1, 8), responses=0),
        ask("refused: DATA", "5.1", get(("X", "1"), end=False), Do.SYNC, wire.data(1, b"a", end=True)),
        ask("refused: trailers", "5.1", get(("X", "1"), end=False), Do.SYNC, trailers(("x-a", "1"))),
        fault("a stream with an even number", "5.1.1", get(stream=2)),
        fault(
            "a stream with a lower number", "5.1.1", get(stream=5), Upon(5, over=True), get(stream=3), Do.SYNC
        ),
        ask("streams with gaps", "5.1.1", get(stream=1), get(path="/2", stream=101), responses=2),
        fault("stream 0", "6.2", get(stream=0)),
        fault(
            "HEADERS that depend on themselves",
            "5.3.1",
            Frame(HEADERS, END_HEADERS | END_STREAM | HAS_PRIORITY, 1, number(1) + b"\0" + head()),
        ),
        ask("PRIORITY that depends on itself", "5.3.1", wire.priority(1, 1), get()),
        ask(
            "PRIORITY that depends on itself, of a stream",
            "5.3.1",
            post(),
            wire.priority(1, 1),
            Do.SYNC,
            wire.data(1, end=True),
        ),
    )


def padding() -> tuple[Case, ...]:
    """Sections 6.1 to 6.3: padding and priorities."""
    return (
        ask("DATA with padding", "6.1", post(), wire.data(1, b"\3abc\0\0\0", end=True, flags=PADDED)),
        ask("DATA of padding only", "6.1", post(), wire.data(1, b"\3\0\0\0", end=True, flags=PADDED)),
        ask("DATA with padding of 0", "6.1", post(), wire.data(1, b"\0abc", end=True, flags=PADDED)),
        ask(
            "DATA with padding, and its length",
            "6.1",
            post(("content-length", "3")),
            wire.data(1, b"\3abc\0\0\0", end=True, flags=PADDED),
        ),
        fault(
            "DATA with more padding than bytes",
            "6.1",
            post(),
            wire.data(1, b"\7abc\0\0\0", end=True, flags=PADDED),
        ),
        fault(
            "DATA with as much padding as bytes",
            "6.1",
            post(),
            wire.data(1, b"\6abcabc", end=True, flags=PADDED),
        ),
        fault("DATA that lacks its padding", "6.1", post(), wire.data(1, b"", end=True, flags=PADDED)),
        fault("DATA on stream 0", "6.1", post(), wire.data(0, b"a")),
        ask("padding that is not zero", "6.1", post(), wire.data(1, b"\3abcxyz", end=True, flags=PADDED)),
        ask("HEADERS with padding", "6.2", wire.headers(1, b"\3" + head() + b"\0\0\0", flags=PADDED)),
        ask(
            "HEADERS with a priority",
            "6.2",
            wire.headers(1, number(0) + b"\x10" + head(), flags=HAS_PRIORITY),
        ),
        ask(
            "HEADERS with both",
            "6.2",
            wire.headers(
                1, b"\3" + number(0x80000003) + b"\x10" + head() + b"\0\0\0", flags=PADDED | HAS_PRIORITY
            ),
        ),
        fault("HEADERS with more padding than bytes", "6.2", wire.headers(1, b"\xff" + head(), flags=PADDED)),
        fault("HEADERS that lack their padding", "6.2", wire.headers(1, b"", flags=PADDED)),
        fault("HEADERS that lack their priority", "6.2", wire.headers(1, b"\0\0", flags=HAS_PRIORITY)),
        ask(
            "trailers with padding",
            "6.2",
            post(),
            Frame(HEADERS, 0xD, 1, b"\2" + wire.block(("x-a", "1")) + b"\0\0"),
        ),
        ask("PRIORITY", "6.3", wire.priority(1, 3), get()),
        ask("PRIORITY on stream 0", "6.3", wire.priority(0, 3), Do.SYNC, responses=0),
        ask("PRIORITY that is too short", "6.3", post(), Frame(wire.PRIORITY, 0, 1, b"\0\0\0\0"), Do.SYNC),
        fault("PRIORITY that is too long", "6.3", Frame(wire.PRIORITY, 0, 1, b"\0\0\0\0\0\0")),
    )


def control() -> tuple[Case, ...]:
    """Sections 6.4 to 6.8 and 7."""
    return (
        fault("RST_STREAM on stream 0", "6.4", wire.rst(0, 8)),
        fault("RST_STREAM that is too short", "6.4", post(), Frame(wire.RST_STREAM, 0, 1, b"\0\0\0")),
        fault("RST_STREAM that is too long", "6.4", post(), Frame(wire.RST_STREAM, 0, 1, b"\0\0\0\0\0")),
        ask("RST_STREAM with an unknown code", "7", post(), Do.SYNC, wire.rst(1, 0xFF), responses=0),
        ask("RST_STREAM without an error", "7", post(), Do.SYNC, wire.rst(1, 0), responses=0),
        ask("RST_STREAM that refuses", "7", post(), Do.SYNC, wire.rst(1, 7), responses=0),
        fault("a push", "8.4", Frame(wire.PUSH_PROMISE, END_HEADERS, 1, number(2) + head())),
        fault(
            "a push on a stream", "8.4", post(), Frame(wire.PUSH_PROMISE, END_HEADERS, 1, number(2) + head())
        ),
        ask("PING", "6.7", wire.ping(b"12345678"), get()),
        ask("PING that answers nothing", "6.7", wire.ping(b"12345678", ack=True), get()),
        fault("PING on a stream", "6.7", Frame(PING, 0, 1, b"12345678")),
        fault("PING that is too short", "6.7", Frame(PING, 0, 0, b"123456")),
        fault("PING that is too long", "6.7", Frame(PING, 0, 0, b"123456789")),
        ask("GOAWAY in a request", "6.8", post(), wire.goaway(0), Do.SYNC, wire.data(1, b"a", end=True)),
        fault("GOAWAY on a stream", "6.8", Frame(wire.GOAWAY, 0, 1, bytes(8))),
        fault("GOAWAY that is too short", "6.8", Frame(wire.GOAWAY, 0, 0, bytes(7))),
        ask("no more bytes behind a request", "5.1", get(), Do.HALF_CLOSE),
        ask("no more bytes in a request", "5.1", post(), Do.SYNC, Do.HALF_CLOSE),
        ask("a request, and away", "5.1", *OPEN, Do.CLOSE, replies=BEGUN),
        ask("a request, and a reset", "5.1", *OPEN, Do.RESET, replies=BEGUN),
    )


def settings() -> tuple[Case, ...]:
    """Section 6.5."""
    return (
        ask("none", "6.5", wire.settings(), get()),
        ask("unknown", "6.5.2", wire.settings((0xFF, 1), (0x4444, 0xFFFFFFFF)), get()),
        ask(
            "one twice",
            "6.5.3",
            wire.settings((4, 100), (4, 1)),
            get(),
            Upon(1, 1),
            wire.settings((4, 65535)),
        ),
        ask("an acknowledgement of nothing", "6.5", *(wire.settings(ack=True),) * 2, Do.SYNC, responses=0),
        fault("an acknowledgement with bytes", "6.5", Frame(SETTINGS, ACK, 0, b"\0\4\0\0\0\1")),
        fault("on a stream", "6.5", Frame(SETTINGS, 0, 1, b"\0\4\0\0\0\1")),
        fault("of 5 bytes", "6.5", Frame(SETTINGS, 0, 0, b"\0\4\0\0\0")),
        fault("of 7 bytes", "6.5", Frame(SETTINGS, 0, 0, b"\0\4\0\0\0\1\1")),
        ask("pushes are welcome", "6.5.2", wire.settings((2, 1)), get()),
        fault("pushes are welcome twice", "6.5.2", wire.settings((2, 2))),
        fault("a window of 2^31", "6.5.2", wire.settings((4, 1 << 31))),
        ask("a window of 2^31 - 1", "6.5.2", wire.settings((4, (1 << 31) - 1)), get()),
        fault("frames of 16383", "6.5.2", wire.settings((5, 16383))),
        fault("frames of 2^24", "6.5.2", wire.settings((5, 1 << 24))),
        ask("frames of 2^24 - 1", "6.5.2", wire.settings((5, (1 << 24) - 1)), get()),
        ask("no streams", "6.5.2", wire.settings((3, 0)), get()),
        ask("a table of 0", "6.5.2", wire.settings((1, 0)), get()),
        ask("a table of 4 GB", "6.5.2", wire.settings((1, 0xFFFFFFFF)), get()),
        ask("a list of 1", "6.5.2", wire.settings((6, 1)), get()),
        ask("CONNECT is extended", "RFC 8441 3", wire.settings((8, 1)), get()),
        ask("CONNECT is extended to 2", "RFC 8441 3", wire.settings((8, 2)), get()),
        ask("CONNECT is extended no more", "RFC 8441 3", wire.settings((8, 1)), wire.settings((8, 0)), get()),
        raw("no old priorities", "9218 2.1", PREFACE, wire.settings((9, 1)), get()),
        raw("no old priorities to 2", "9218 2.1", PREFACE, wire.settings((9, 2)), get()),
    )


CASES = (*beginnings(), *frames(), *states(), *padding(), *control(), *settings())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_http2_frames(case: Case, pair: Pair) -> None:
    await pair.check(case)
