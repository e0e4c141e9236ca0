"""Who lies still, or says no more: clients, servers, and connections that nobody needs."""

from __future__ import annotations

import pytest
from differ import http2_wire as wire
from differ.case import OK, Case, Do, Pause, Reply, case, get, reply
from differ.http2_area import area
from differ.http2_case import HTTP2
from differ.http2_case import ask as ask2
from differ.http2_case import get as get2
from differ.http2_case import post as post2
from differ.pair import Pair

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

AREA = area("idle", manager={"stream_idle_timeout_s": 0.4})
SHORT, LONG, LONGER = Pause(0.25), Pause(0.65), Pause(1.2)
REQUEST, POST = get("/a"), get("/b", "content-length: 10", method="POST")
CHUNKED = get("/b", "transfer-encoding: chunked", method="POST")
EARLY = b"HTTP/1.1 103 Early\r\n\r\n"
LARGE = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100_000
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


def ask(
    name: str, *client: object, replies: tuple[Reply, ...] = (OK,), about: str = "", **more: object
) -> Case:
    return case(name, about or "stream_idle_timeout", *client, replies=replies, **more)  # type: ignore[arg-type]


def half_open(name: str, *client: object, **more: object) -> Case:
    return ask(name, *client, about="half-open", responses=0, **more)  # type: ignore[arg-type]


CASES = (
    ask(
        "an answer whose head drips",
        REQUEST,
        replies=(reply(SHORT, HEAD[:9], SHORT, HEAD[9:20], SHORT, HEAD[20:] + b"done"),),
    ),
    ask("a body that stops", POST, b"hello", LONGER),
    ask("a body that does not begin", POST, LONGER),
    ask("a body in chunks that stops", CHUNKED, b"5\r\nhello\r\n", LONGER),
    ask("a body in chunks without an end", CHUNKED, b"5\r\nhello\r\n", Pause(0.1), b"0\r\n", LONGER),
    ask("a body that drips", POST, *(step for _ in range(5) for step in (SHORT, b"he"))),
    ask("an answer that does not come", REQUEST, replies=(reply(Do.HANG),)),
    ask(
        "an answer to half a request, and then nothing",
        POST,
        b"hello",
        LONGER,
        replies=(reply(HEAD + b"done", early=True),),
    ),
    ask("an answer that stops", REQUEST, replies=(reply(HEAD + b"do", Do.HANG),)),
    ask("an answer whose head stops", REQUEST, replies=(reply(HEAD[:20], Do.HANG),)),
    ask("an answer that drips", REQUEST, replies=(reply(HEAD, SHORT, b"d", SHORT, b"o", SHORT, b"ne"),)),
    ask("interim answers that drip", REQUEST, replies=(reply(*(EARLY, SHORT) * 3, HEAD + b"done"),)),
    # the first makes sure of a connection to the server: while one is dialled, either outcome is right
    half_open("no more bytes behind a request", REQUEST, Do.WAIT, REQUEST, Do.HALF_CLOSE),
    half_open(
        "no more bytes while the answer is awaited",
        REQUEST,
        Pause(0.1),
        Do.HALF_CLOSE,
        replies=(reply(SHORT, HEAD + b"done"),),
    ),
    half_open("no more bytes in a body", POST, b"hello", Pause(0.1), Do.HALF_CLOSE),
    half_open("no more bytes in a head", REQUEST[:10], Pause(0.1), Do.HALF_CLOSE),
    half_open("no more bytes behind an empty line", b"\r\n", Pause(0.1), Do.HALF_CLOSE),
    half_open("a head cut off by a reset", REQUEST[:10], Pause(0.1), Do.RESET),
    half_open("a second head cut off", REQUEST, Do.WAIT, REQUEST[:10], Pause(0.1), Do.CLOSE),
    half_open("no bytes at all", Do.HALF_CLOSE),
    ask2("HTTP/2: a body that stops", "stream_idle_timeout", post2(), wire.data(1, b"hello"), LONGER),
    ask2(
        "HTTP/2: a body that drips",
        "stream_idle_timeout",
        post2(),
        *(step for _ in range(3) for step in (SHORT, wire.data(1, b"he"))),
        wire.data(1, end=True),
    ),
    ask2("HTTP/2: an answer that does not come", "stream_idle_timeout", get2(), replies=(reply(Do.HANG),)),
    ask2(
        "HTTP/2: an answer that does not come, from HTTP/2",
        "stream_idle_timeout",
        get2(authority=HTTP2),
        replies=(reply(Do.HANG),),
    ),
    ask2(
        "HTTP/2: an answer that stops", "stream_idle_timeout", get2(), replies=(reply(HEAD + b"do", Do.HANG),)
    ),
    ask2("HTTP/2: a window that does not open", "stream_idle_timeout", get2(), replies=(reply(LARGE),)),
    ask2(
        "HTTP/2: one that hangs beside one that does not",
        "stream_idle_timeout",
        get2(path="/1"),
        SHORT,
        get2(path="/2", stream=3),
        replies=(reply(Do.HANG), OK),
        responses=2,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_idle(case: Case, pair: Pair) -> None:
    await pair.check(case)
