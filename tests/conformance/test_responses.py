"""What an origin may answer, well or badly: RFC 9112 sections 4, 6 and 8, RFC 9110 section 15."""

from __future__ import annotations

import pytest
from differ.case import Case, Do, Pause, case, get, reply
from differ.pair import Pair
from differ.resources import FRESH, Area, any_host, prefix, to

from mesh.model.route import Route

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

# one request a connection: a connection that an origin broke must not surprise the next case
AREA = Area("responses", any_host(Route(prefix("/pooled"), to()), Route(prefix("/"), to(FRESH))))


def answer(
    name: str, text: bytes | str, *more: object, about: str = "RFC 9112 6.3", request: bytes = get("/r")
) -> Case:
    """The origin's bytes, line by line when they are a text; then it closes, unless there is more to do."""
    data = text if isinstance(text, bytes) else text.replace("\n", "\r\n").encode("latin-1")
    return case(name, about, request, replies=(reply(data, *(more or (Do.CLOSE,))),))  # type: ignore[arg-type]


OK = "HTTP/1.1 200 OK\n"
HEAD = get("/h", method="HEAD")

CASES = (
    answer("length", OK + "content-length: 2\n\nok"),
    answer("chunks", OK + "transfer-encoding: chunked\n\n2\nok\n0\n\n"),
    answer("chunks with an extension", OK + "transfer-encoding: chunked\n\n2;a=b\nok\n0\n\n"),
    answer(
        "chunks in two pieces",
        OK + "transfer-encoding: chunked\n\n2\nok\n",
        b"3\r\nyes\r\n0\r\n\r\n",
        Do.CLOSE,
    ),
    answer("until close", OK + "\nok"),
    answer("until close, nothing", OK + "\n"),
    answer("length 0", OK + "content-length: 0\n\n"),
    answer("trailers", OK + "transfer-encoding: chunked\n\n2\nok\n0\nx-t: 1\n\n", about="RFC 9112 7.1.2"),
    answer(
        "kept by the origin", OK + "content-length: 2\nconnection: keep-alive\n\nok", about="RFC 9112 9.3"
    ),
    answer("closed by the origin", OK + "content-length: 2\nconnection: close\n\nok", about="RFC 9112 9.6"),
    answer(
        "hop-by-hop fields",
        OK + "content-length: 2\nconnection: x-a\nx-a: 1\nkeep-alive: max=1\n"
        "proxy-connection: close\nupgrade: h2c\n\nok",
        about="RFC 9110 7.6.1",
    ),
    answer(
        "set-cookie twice",
        OK + "content-length: 2\nset-cookie: a=1\nset-cookie: b=2\n\nok",
        about="RFC 6265 3",
    ),
    answer(
        "own date and server",
        OK + "content-length: 2\ndate: Sun, 06 Nov 1994 08:49:37 GMT\nserver: mine\n\nok",
        about="RFC 9110 6.6.1",
    ),
    answer("HTTP/1.0", "HTTP/1.0 200 OK\ncontent-length: 2\n\nok", about="RFC 9112 2.3"),
    answer("HTTP/1.0 until close", "HTTP/1.0 200 OK\n\nok", about="RFC 9112 2.3"),
    answer("no reason", "HTTP/1.1 200 \ncontent-length: 2\n\nok", about="RFC 9112 4"),
    answer("no reason, no space", "HTTP/1.1 200\ncontent-length: 2\n\nok", about="RFC 9112 4"),
    answer("another reason", "HTTP/1.1 200 Fine By Me\ncontent-length: 2\n\nok", about="RFC 9112 4"),
    # without a body
    answer("HEAD with a length", OK + "content-length: 2\n\n", about="RFC 9110 9.3.2", request=HEAD),
    answer("HEAD with chunks", OK + "transfer-encoding: chunked\n\n", about="RFC 9110 9.3.2", request=HEAD),
    answer("HEAD with neither", OK + "\n", about="RFC 9110 9.3.2", request=HEAD),
    answer("HEAD with a body", OK + "content-length: 2\n\nok", about="RFC 9110 9.3.2", request=HEAD),
    answer("204", "HTTP/1.1 204 No Content\n\n", about="RFC 9110 15.3.5"),
    answer("204 with length 0", "HTTP/1.1 204 No Content\ncontent-length: 0\n\n", about="RFC 9110 15.3.5"),
    answer("204 with a body", "HTTP/1.1 204 No Content\ncontent-length: 2\n\nok", about="RFC 9110 15.3.5"),
    answer(
        "204 with chunks",
        "HTTP/1.1 204 No Content\ntransfer-encoding: chunked\n\n2\nok\n0\n\n",
        about="RFC 9110 15.3.5",
    ),
    answer("205", "HTTP/1.1 205 Reset Content\ncontent-length: 0\n\n", about="RFC 9110 15.3.6"),
    answer("304", 'HTTP/1.1 304 Not Modified\netag: "a"\n\n', about="RFC 9110 15.4.5"),
    answer("304 with a length", "HTTP/1.1 304 Not Modified\ncontent-length: 5\n\n", about="RFC 9110 15.4.5"),
    # interim
    answer(
        "100 unasked", "HTTP/1.1 100 Continue\n\n" + OK + "content-length: 2\n\nok", about="RFC 9110 15.2.1"
    ),
    answer("102", "HTTP/1.1 102 Processing\n\n" + OK + "content-length: 2\n\nok", about="RFC 9110 15.2"),
    answer(
        "103", "HTTP/1.1 103 Early Hints\nlink: </a>\n\n" + OK + "content-length: 2\n\nok", about="RFC 8297"
    ),
    answer(
        "three interim",
        "HTTP/1.1 103 Early Hints\n\n" * 3 + OK + "content-length: 2\n\nok",
        about="RFC 9110 15.2",
    ),
    answer(
        "101 unasked",
        "HTTP/1.1 101 Switching Protocols\nupgrade: x\nconnection: upgrade\n\n",
        about="RFC 9110 15.2.2",
    ),
    answer("only an interim", "HTTP/1.1 103 Early Hints\n\n", about="RFC 9110 15.2"),
    # statuses
    answer("status 418", "HTTP/1.1 418 Teapot\ncontent-length: 0\n\n", about="RFC 9110 15.5.19"),
    answer("status 500", "HTTP/1.1 500 Oops\ncontent-length: 0\n\n", about="RFC 9110 15.6.1"),
    answer("status 599", "HTTP/1.1 599 Late\ncontent-length: 0\n\n", about="RFC 9110 15"),
    answer("status 600", "HTTP/1.1 600 What\ncontent-length: 0\n\n", about="RFC 9110 15"),
    answer("status 999", "HTTP/1.1 999 What\ncontent-length: 0\n\n", about="RFC 9110 15"),
    answer("status 099", "HTTP/1.1 099 What\ncontent-length: 0\n\n", about="RFC 9110 15"),
    answer("status 20", "HTTP/1.1 20 What\ncontent-length: 0\n\n", about="RFC 9112 4"),
    answer("status 2000", "HTTP/1.1 2000 What\ncontent-length: 0\n\n", about="RFC 9112 4"),
    answer("status abc", "HTTP/1.1 abc What\ncontent-length: 0\n\n", about="RFC 9112 4"),
    # broken
    answer("nothing", b""),
    answer("nothing, reset", b"", Do.RESET),
    answer("no HTTP", b"SSH-2.0-OpenSSH_9.2\r\n"),
    answer("no HTTP and no end", b"\x15\x03\x01\x00\x02\x02\x50"),
    answer("half a head", b"HTTP/1.1 200 OK\r\ncontent-le"),
    answer("half a body", OK + "content-length: 9\n\nok"),
    answer("half a body, reset", OK + "content-length: 9\n\nok", Pause(0.05), Do.RESET),
    answer("half a chunk", OK + "transfer-encoding: chunked\n\n9\nok"),
    answer("no last chunk", OK + "transfer-encoding: chunked\n\n2\nok\n"),
    answer("a bad chunk size", OK + "transfer-encoding: chunked\n\nxx\nok\n0\n\n"),
    answer(
        "length and chunks",
        OK + "content-length: 2\ntransfer-encoding: chunked\n\n2\nok\n0\n\n",
        about="RFC 9112 6.1",
    ),
    answer("two equal lengths", OK + "content-length: 2\ncontent-length: 2\n\nok"),
    answer("two lengths", OK + "content-length: 2\ncontent-length: 3\n\nok!"),
    answer("length -1", OK + "content-length: -1\n\nok"),
    answer("length +2", OK + "content-length: +2\n\nok"),
    answer("gzip, chunked", OK + "transfer-encoding: gzip, chunked\n\n2\nok\n0\n\n", about="RFC 9112 6.1"),
    answer("gzip", OK + "transfer-encoding: gzip\n\nok", about="RFC 9112 6.1"),
    answer("identity", OK + "transfer-encoding: identity\n\nok", about="RFC 9112 6.1"),
    answer(
        "more than its length",
        OK + "content-length: 2\n\nokHTTP/1.1 200 OK\ncontent-length: 4\n\nevil",
        about="RFC 9112 6.3",
    ),
    answer("obs-fold", OK + "content-length: 2\nx-a: 1\n 2\n\nok", about="RFC 9112 5.2"),
    answer("bare LF", b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok", about="RFC 9112 2.2"),
    answer(
        "bare CR in a value",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: 1\rx-b: 2\r\n\r\nok",
        about="RFC 9112 2.2",
    ),
    answer(
        "NUL in a value",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: 1\x002\r\n\r\nok",
        about="RFC 9110 5.5",
    ),
    answer("space before the colon", OK + "content-length : 2\n\nok", about="RFC 9112 5.1"),
    answer("a bad name", OK + "content-length: 2\nx a: 1\n\nok", about="RFC 9110 5.6.2"),
    answer("HTTP/2.0", "HTTP/2.0 200 OK\ncontent-length: 2\n\nok", about="RFC 9112 2.3"),
    answer("ICY", "ICY 200 OK\ncontent-length: 2\n\nok", about="RFC 9112 4"),
    answer(
        "fields of 50 kB", OK + "content-length: 2\nx-a: " + "a" * 50_000 + "\n\nok", about="Envoy's 60 kB"
    ),
    answer(
        "fields of 61 kB", OK + "content-length: 2\nx-a: " + "a" * 62_464 + "\n\nok", about="Envoy's 60 kB"
    ),
    answer(
        "100 fields",
        OK + "content-length: 2\n" + "".join(f"x-{n}: 1\n" for n in range(99)) + "\nok",
        about="Envoy's max_headers_count",
    ),
    answer(
        "101 fields",
        OK + "content-length: 2\n" + "".join(f"x-{n}: 1\n" for n in range(100)) + "\nok",
        about="Envoy's max_headers_count",
    ),
    case("the pool is used again", "RFC 9112 9.3", get("/pooled/1"), Do.WAIT, get("/pooled/2"), responses=2),
    case(
        "a body of 1 MB",
        "flow control",
        get("/r", method="POST", body=b"x" * 1_000_000),
        replies=(reply(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n" + b"y" * 1_000_000),),
    ),
    case(
        "HTTP/1.0 client, until close",
        "RFC 9112 6.3",
        b"GET /r HTTP/1.0\r\nhost: o\r\n\r\n",
        replies=(reply(b"HTTP/1.1 200 OK\r\n\r\nok", Do.CLOSE),),
    ),
    case(
        "client leaves before the answer",
        "RFC 9112 8",
        get("/r"),
        Pause(0.05),
        Do.CLOSE,
        replies=(reply(Do.HANG),),
    ),
    case(
        "client leaves in the answer",
        "RFC 9112 8",
        get("/r"),
        Pause(0.05),
        Do.CLOSE,
        replies=(reply(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nok", Do.HANG),),
    ),
    case(
        "origin answers early and closes",
        "RFC 9112 9.5",
        b"POST /r HTTP/1.1\r\nhost: o\r\ncontent-length: 9\r\n\r\nabc",
        Do.WAIT,
        replies=(
            reply(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n", early=True),
        ),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_responses(case: Case, pair: Pair) -> None:
    await pair.check(case)
