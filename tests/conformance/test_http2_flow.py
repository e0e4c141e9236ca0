"""Flow control, header compression, tunnels and floods (RFC 9113 sections 5.2, 6.9, 8.5, 10.5; RFC 7541)."""

from __future__ import annotations

import pytest
from differ import http2_wire as wire
from differ.case import Case, Do, Step, Upon
from differ.http2_area import area
from differ.http2_case import HTTP2, answer, ask, bare, body, get, head, post, replies
from differ.http2_wire import Frame, continuation, headers, settings, window_update
from differ.pair import Pair
from differ.resources import to
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from mesh.model.route import Route, RouteMatch, VirtualHost

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

AREA = area(
    "http2 flow",
    VirtualHost("ends", ("ends.test:443",), (Route(RouteMatch(connect=True), to(terminate_connect=True)),)),
    VirtualHost("no-connect", ("no-connect.test:443",), (Route(RouteMatch(), to()),)),
    manager={"upgrades": ("websocket", "CONNECT")},
)
LARGE = replies(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000)
LARGE2 = replies(answer("200"), *(body(b"x" * 10_000, end=False),) * 9, body(b"x" * 10_000))
WINDOW = settings((4, 65535))  # for the probe behind a case that has made windows small
BLOCK = head()


def windows() -> tuple[Case, ...]:
    """Section 6.9."""
    most = (1 << 31) - 1
    return (
        ask("a window of 1", "6.9.1", settings((4, 1)), get(), Upon(1, 1), window_update(1, 1), WINDOW),
        ask(
            "a window of 0, then more", "6.9.2", settings((4, 0)), get(), Upon(1), window_update(1, 2), WINDOW
        ),
        ask(
            "a window of 0, then another",
            "6.9.2",
            settings((4, 0)),
            get(),
            Upon(1),
            settings((4, 1)),
            Upon(1, 1),
            WINDOW,
        ),
        ask("windows below 0", "6.9.2", settings((4, 3)), get(), Upon(1, 2), settings((4, 0)), WINDOW),
        ask(
            "a large answer, no credit",
            "6.9",
            get(),
            Upon(1, 65535),
            window_update(1, 1 << 20),
            window_update(0, 1 << 20),
            replies=LARGE,
        ),
        ask(
            "a large answer, the connection's credit last",
            "6.9",
            window_update(0, 5),
            get(),
            Upon(1, 65535),
            window_update(1, 1 << 20),
            Do.SYNC,
            Upon(1, 65540),
            window_update(0, 1 << 20),
            replies=LARGE,
        ),
        ask(
            "a large answer of HTTP/2",
            "6.9",
            get(authority=HTTP2),
            Upon(1, 65535),
            window_update(1, 1 << 20),
            window_update(0, 1 << 20),
            replies=LARGE2,
        ),
        ask(
            "two large answers",
            "6.9",
            window_update(0, 1 << 20),
            get(path="/1"),
            get(path="/2", stream=3),
            Upon(1, 65535),
            Upon(3, 65535),
            window_update(3, 1 << 20),
            Upon(3, over=True),
            window_update(1, 1 << 20),
            replies=LARGE,
            responses=2,
        ),
        ask(
            "given up while it waits",
            "6.9",
            get(),
            Upon(1, 65535),
            wire.rst(1, 8),
            window_update(0, 1 << 20),
            Do.SYNC,
            replies=LARGE,
            responses=0,
        ),
        ask("left while it waits", "6.9", get(), Upon(1, 65535), Do.CLOSE, replies=LARGE, responses=0),
        ask("an update of 0", "6.9", window_update(0, 0), Do.SYNC, responses=0),
        ask("an update of 0 of a stream", "6.9", post(), window_update(1, 0), Do.SYNC),
        ask("an update too short", "6.9", Frame(wire.WINDOW_UPDATE, 0, 0, b"\0\0\1"), Do.SYNC, responses=0),
        ask(
            "an update too long", "6.9", Frame(wire.WINDOW_UPDATE, 0, 0, b"\0\0\0\0\1"), Do.SYNC, responses=0
        ),
        ask("an update with the reserved bit", "6.9", window_update(0, 0x80000001), get()),
        ask("more than 2^31 - 1", "6.9.1", window_update(0, most), Do.SYNC, responses=0),
        ask("more than 2^31 - 1, in two", "6.9.1", *(window_update(0, 1 << 30),) * 2, Do.SYNC, responses=0),
        ask("more than 2^31 - 1 of a stream", "6.9.1", post(), window_update(1, most), Do.SYNC),
        ask(
            "settings that make it so",
            "6.9.2",
            post(),
            window_update(1, 1 << 30),
            Do.SYNC,
            settings((4, most)),
            Do.SYNC,
        ),
        ask(
            "a large body", "6.9", post(), *(wire.data(1, b"x" * 16000),) * 4, Do.SYNC, wire.data(1, end=True)
        ),
        ask(
            "a large body to HTTP/2",
            "6.9",
            post(authority=HTTP2),
            *(wire.data(1, b"x" * 16000),) * 4,
            Do.SYNC,
            wire.data(1, end=True),
        ),
        ask(
            "a large body with padding",
            "6.9",
            post(),
            *(wire.data(1, b"\xffx" + bytes(255), flags=wire.PADDED),) * 90,
            wire.data(1, b"x", end=True),
        ),
    )


def compression() -> tuple[Case, ...]:
    """RFC 7541."""
    indexed, name_only = b"\x40" + wire.text("x-a") + wire.text("1"), b"\x7e" + wire.text("2")
    static = b"\x82\x86\x84\x41" + wire.text("origin")  # GET, http, /, and a new :authority

    def huffman(value: str) -> bytes:
        encoded = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH).encode(value.encode())
        return bytes((0x80 | len(encoded),)) + encoded

    def block(name: str, section: str, *blocks: bytes, stream: int = 1) -> Case:
        asked = [headers(stream + 2 * at, each) for at, each in enumerate(blocks)]
        return ask(name, f"RFC 7541 {section}", *asked, responses=len(blocks))

    def bad(name: str, section: str, *blocks: bytes) -> Case:
        return block(name, section, BLOCK + b"".join(blocks))

    return (
        block("the static table", "6.1", static),
        block("the dynamic table", "2.3.2", static + indexed, b"\x82\x86\x84\xbf\xbe", b"\x82\x86\x84\xbf"),
        block("the name of the dynamic table", "6.2.1", static + indexed, b"\x82\x86\x84\xbf" + name_only),
        block("never indexed", "6.2.3", BLOCK + b"\x10" + wire.text("x-a") + wire.text("1")),
        block("the table emptied", "6.3", static + indexed, b"\x20" + static, static + indexed),
        block(
            "the table emptied and full again",
            "4.3",
            b"\x20\x3f\xe1\x1f" + static + indexed,
            b"\x82\x86\x84\xbf\xbe",
        ),
        block(
            "too large for the table",
            "4.4",
            static + b"\x40" + wire.text("x-a") + wire.text("1" * 5000),
            static,
        ),
        block(
            "a table that throws out",
            "4.4",
            *(static + b"\x40" + wire.text(f"x-{at}") + wire.text("1" * 1000) for at in range(6)),
        ),
        block("Huffman", "5.2", b"\x82\x86\x84\x41" + huffman("origin")),
        block("an empty string of Huffman", "5.2", BLOCK + b"\0" + wire.text("x-a") + b"\x80"),
        bad("index 0", "6.1", b"\x80"),
        bad("an index that is none", "2.3.3", b"\xc6"),
        bad("an index far out", "2.3.3", b"\xff\xff\xff\xff\x0f"),
        bad("a name's index that is none", "2.3.3", b"\x7f\x2f" + wire.text("1")),
        bad("an integer without end", "5.1", b"\xff" + b"\x80" * 20 + b"\1"),
        bad("an integer cut off", "5.1", b"\xff\x80"),
        bad("a string cut off", "5.2", b"\0\5x-a"),
        bad("a value that is missing", "5.2", b"\0" + wire.text("x-a")),
        bad("Huffman with a byte of padding", "5.2", b"\0" + wire.text("x-a") + b"\x82\x1f\xff"),
        bad("Huffman with padding of zeros", "5.2", b"\0" + wire.text("x-a") + b"\x81\x10"),
        bad("Huffman with padding of a zero and ones", "5.2", b"\0" + wire.text("x-a") + b"\x81\x13"),
        bad("Huffman with an end", "5.2", b"\0" + wire.text("x-a") + b"\x84\xff\xff\xff\xff"),
        bad("an update of the table at the end", "4.2", b"\x20"),
        bad("an update of the table between fields", "4.2", b"\x20\0" + wire.text("x-a") + wire.text("1")),
        bad("a name that is missing", "6.2.1", b"\x40"),
        block("an update of the table above its limit", "6.3", b"\x3f\xe1\x3f" + BLOCK),
        block("three updates of the table", "4.2", b"\x20\x20\x20" + BLOCK),
    )


def continuations() -> tuple[Case, ...]:
    """Section 6.10."""
    many = [BLOCK[at : at + 1] for at in range(len(BLOCK))]
    return (
        ask("in two", "6.10", headers(1, BLOCK[:9], whole=False), continuation(1, BLOCK[9:])),
        ask(
            "in three",
            "6.10",
            headers(1, BLOCK[:9], whole=False),
            continuation(1, BLOCK[9:20], whole=False),
            continuation(1, BLOCK[20:]),
        ),
        ask(
            "byte by byte",
            "6.10",
            headers(1, many[0], whole=False),
            *(continuation(1, each, whole=False) for each in many[1:]),
            continuation(1, b""),
        ),
        ask("nothing, then all", "6.10", headers(1, b"", whole=False), continuation(1, BLOCK)),
        ask("all, then nothing", "6.10", headers(1, BLOCK, whole=False), continuation(1, b"")),
        ask(
            "of trailers",
            "6.10",
            post(),
            headers(1, b"", whole=False),
            continuation(1, wire.block(("x-a", "1"))),
        ),
        ask(
            "with a body behind",
            "6.10",
            headers(1, head(method="POST"), end=False, whole=False),
            continuation(1, b""),
            wire.data(1, b"a", end=True),
        ),
        ask("of another stream", "6.10", headers(1, BLOCK, whole=False), continuation(3, b"")),
        ask("on stream 0", "6.10", headers(1, BLOCK, whole=False), continuation(0, b"")),
        ask("of nothing", "6.10", continuation(1, BLOCK)),
        ask("behind DATA", "6.10", post(), wire.data(1, b"a"), continuation(1, BLOCK)),
        ask(
            "behind the last",
            "6.10",
            headers(1, BLOCK, whole=False),
            continuation(1, b""),
            continuation(1, b""),
        ),
    )


def tunnels() -> tuple[Case, ...]:
    """Section 8.5 and RFC 8441."""
    connect, authority = (":method", "CONNECT"), (":authority", "ends.test:443")
    extended = (
        connect,
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/chat"),
        (":authority", "origin"),
    )
    switch = b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
    talk: tuple[Step, ...] = (Upon(1), wire.data(1, b"ping"), Upon(1, 4), Do.CLOSE)
    echo, yes = replies(switch, Do.ECHO), replies(answer("200"), Do.ECHO, early=True)

    def tunnel(name: str, *client: Step, **options: object) -> Case:
        return ask(name, "8.5", *client, **options)

    def upgrade(name: str, *client: Step, **options: object) -> Case:
        return ask(name, "RFC 8441 4", *client, **options)

    return (
        tunnel("CONNECT with a path", bare(connect, authority, (":path", "/"), end=False)),
        tunnel("CONNECT with a scheme", bare(connect, authority, (":scheme", "http"), end=False)),
        tunnel("CONNECT with both", bare(connect, authority, (":scheme", "http"), (":path", "/"), end=False)),
        tunnel("CONNECT to nobody", bare(connect, end=False)),
        tunnel("CONNECT to an empty name", bare(connect, (":authority", ""), end=False)),
        tunnel("CONNECT without a route", bare(connect, (":authority", "no-connect.test:443"), end=False)),
        tunnel(
            "CONNECT with a length",
            bare(connect, authority, ("content-length", "3"), end=False),
            wire.data(1, b"abc", end=True),
        ),
        upgrade("a protocol without CONNECT", bare((":method", "GET"), *extended[1:], end=False)),
        upgrade("a protocol nobody speaks", bare(connect, (":protocol", "other"), *extended[2:], end=False)),
        upgrade("a protocol without a path", bare(*extended[:3], extended[4], end=False)),
        upgrade("a protocol without a scheme", bare(*extended[:2], *extended[3:], end=False)),
        upgrade("an empty protocol", bare(connect, (":protocol", ""), *extended[2:], end=False)),
        upgrade("to HTTP/1", bare(*extended, end=False), *talk, replies=echo),
        upgrade(
            "to HTTP/1, in capitals",
            bare(connect, (":protocol", "WebSocket"), *extended[2:], end=False),
            *talk,
            replies=echo,
        ),
        upgrade(
            "to HTTP/1, refused",
            bare(*extended, end=False),
            replies=replies(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"),
        ),
        upgrade("to HTTP/1, no notice taken", bare(*extended, end=False)),
        upgrade(
            "to HTTP/2",
            bare(*extended[:4], (":authority", HTTP2), end=False),
            *talk,
            replies=yes,
            greeting=(settings((8, 1), (4, 1 << 20)),),
        ),
        upgrade(
            "to HTTP/2, refused",
            bare(*extended[:4], (":authority", HTTP2), end=False),
            replies=replies(answer("403", end=True), early=True),
            greeting=(settings((8, 1)),),
        ),
        upgrade(
            "to HTTP/2 that does not speak so",
            bare(*extended[:4], (":authority", HTTP2), end=False),
            Upon(1),
            Do.CLOSE,
            replies=yes,
        ),
        upgrade("given up", bare(*extended, end=False), Upon(1), wire.rst(1, 8), replies=echo, responses=0),
    )


def floods() -> tuple[Case, ...]:
    """Section 10.5: both close, or reset."""
    streams = range(1, 24_001, 2)

    def flood(name: str, *client: Step) -> Case:
        return ask(name, "10.5", *client, responses=1)

    def many(frame: Frame, count: int) -> bytes:
        return frame.encode() * count

    return (
        flood(
            "rapid reset",
            b"".join(get(path="/", stream=at).encode() + wire.rst(at, 8).encode() for at in streams),
        ),
        flood("pings", many(wire.ping(b"12345678"), 12_000)),
        flood("settings", many(settings((4, 65535)), 12_000)),
        flood("empty DATA", post(), many(wire.data(1, b""), 12_000)),
        flood(
            "empty CONTINUATION",
            headers(1, BLOCK, whole=False),
            many(continuation(1, b"", whole=False), 2_000),
        ),
        flood(
            "CONTINUATION",
            headers(1, BLOCK, whole=False),
            many(continuation(1, b"\0" + wire.text("x-a") + wire.text("1" * 1000), whole=False), 500),
        ),
        flood("priorities", many(wire.priority(1, 3), 20_000)),
        flood("streams that are malformed", b"".join(get(("X", "1"), stream=at).encode() for at in streams)),
        flood("window updates of nothing", post(), many(window_update(0, 1), 60_000)),
    )


CASES = (*windows(), *compression(), *continuations(), *tunnels(), *floods())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_http2_flow(case: Case, pair: Pair) -> None:
    await pair.check(case)
