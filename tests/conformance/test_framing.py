"""Where a request ends: RFC 9112 sections 6 and 7, and everything two servers could disagree about."""

from __future__ import annotations

import pytest
from differ.case import Case, Do, case, get, raw, reply
from differ.pair import Pair
from differ.resources import Area, any_host, prefix, to

from mesh.model.route import Route

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

AREA = Area("framing", any_host(Route(prefix("/"), to())))

POST = "POST /p HTTP/1.1\nhost: origin\n"
CHUNKED = POST + "transfer-encoding: chunked\n\n"
NEXT = get("/next")  # what a proxy that stops too early would take the rest for


def lengths(name: str, value: str, body: str = "") -> Case:
    return case(name, "RFC 9112 6.3", raw(POST + value + "\n\n" + body) + NEXT, responses=2)


def codings(name: str, value: str, body: str = "3\nabc\n0\n\n") -> Case:
    return case(name, "RFC 9112 6.1", raw(POST + value + "\n\n" + body) + NEXT, responses=2)


def chunks(name: str, body: bytes) -> Case:
    return case(name, "RFC 9112 7.1", raw(CHUNKED) + body + NEXT, responses=2)


CASES = (
    case("get", "RFC 9112 3", get("/a?b=c", "x-a: 1")),
    case("two requests on one connection", "RFC 9112 9.3", get("/1"), Do.WAIT, get("/2"), responses=2),
    case("pipelined", "RFC 9112 9.3.2", get("/1") + get("/2") + get("/3"), responses=3),
    case(
        "pipelined with bodies",
        "RFC 9112 9.3.2",
        get("/1", method="POST", body=b"one") + get("/2") + get("/3", method="PUT", body=b"three"),
        responses=3,
    ),
    case(
        "pipelined, the second is wrong",
        "RFC 9112 9.3.2",
        get("/1") + b"GET /2 HTTP/1.1\r\n\r\n" + get("/3"),
        responses=3,
    ),
    case("empty lines before the request", "RFC 9112 2.2", b"\r\n\r\n" + get("/1")),
    case("empty lines between requests", "RFC 9112 2.2", get("/1") + b"\r\n" + get("/2"), responses=2),
    case("length", "RFC 9112 6.2", get(method="POST", body=b"hello")),
    case("neither length nor chunks", "RFC 9112 6.3", raw(POST + "\n")),
    case("GET with a body", "RFC 9110 9.3.1", get("/g", body=b"hello")),
    case("DELETE with a body", "RFC 9110 9.3.5", get("/g", method="DELETE", body=b"hello")),
    case("length in two pieces", "RFC 9112 6.2", raw(POST + "content-length: 6\n\nabc"), b"def"),
    lengths("length 0", "content-length: 0"),
    lengths("length with leading zeros", "content-length: 003", "abc"),
    lengths("length with spaces around", "content-length: \t3  ", "abc"),
    lengths("length +3", "content-length: +3", "abc"),
    lengths("length -1", "content-length: -1", "abc"),
    lengths("length 0x3", "content-length: 0x3", "abc"),
    lengths("length 3.0", "content-length: 3.0", "abc"),
    lengths("length 3 3", "content-length: 3 3", "abc"),
    lengths("empty length", "content-length:", "abc"),
    lengths("length beyond 64 bits", "content-length: 18446744073709551619", "abc"),
    lengths("two equal lengths", "content-length: 3\ncontent-length: 3", "abc"),
    lengths("two lengths", "content-length: 3\ncontent-length: 4", "abcd"),
    lengths("a list of equal lengths", "content-length: 3, 3", "abc"),
    lengths("a list of lengths", "content-length: 3, 4", "abcd"),
    lengths("length under another case", "CoNtEnT-LeNgTh: 3", "abc"),
    lengths("length with an underscore", "content_length: 3"),
    codings("chunked", "transfer-encoding: chunked"),
    codings("chunked in capitals", "Transfer-Encoding: CHUNKED"),
    codings("length, then chunked", "content-length: 3\ntransfer-encoding: chunked"),
    codings("chunked, then length", "transfer-encoding: chunked\ncontent-length: 3"),
    codings("chunked with length 0", "content-length: 0\ntransfer-encoding: chunked"),
    codings("gzip, chunked", "transfer-encoding: gzip, chunked"),
    codings("chunked, gzip", "transfer-encoding: chunked, gzip"),
    codings("gzip", "transfer-encoding: gzip"),
    codings("identity", "transfer-encoding: identity", ""),
    codings("chunked twice in a list", "transfer-encoding: chunked, chunked"),
    codings("chunked in two fields", "transfer-encoding: chunked\ntransfer-encoding: chunked"),
    codings("chunked and identity", "transfer-encoding: chunked\ntransfer-encoding: identity"),
    codings("identity and chunked", "transfer-encoding: identity\ntransfer-encoding: chunked"),
    codings("chunked after a vertical tab", "transfer-encoding: \x0bchunked"),
    codings("chunked in quotes", 'transfer-encoding: "chunked"'),
    codings("xchunked", "transfer-encoding: xchunked"),
    codings("chunked;q=1", "transfer-encoding: chunked;q=1"),
    codings("empty transfer-encoding", "transfer-encoding:", ""),
    codings("chunked behind a space before the colon", "transfer-encoding : chunked"),
    codings("chunked behind a tab before the colon", "transfer-encoding\t: chunked"),
    codings("chunked behind obs-fold", "transfer-encoding:\n chunked"),
    codings("chunked behind a leading space", " transfer-encoding: chunked"),
    codings("chunked and te", "transfer-encoding: chunked\nte: trailers"),
    case(
        "chunked of HTTP/1.0",
        "RFC 9112 6.1",
        raw("POST /p HTTP/1.0\nhost: origin\ntransfer-encoding: chunked\n\n3\nabc\n0\n\n") + NEXT,
        responses=2,
    ),
    chunks("two chunks", b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
    chunks("no chunk", b"0\r\n\r\n"),
    chunks("last chunk 000", b"3\r\nabc\r\n000\r\n\r\n"),
    chunks("size in capitals", b"A\r\n0123456789\r\n0\r\n\r\n"),
    chunks("size with leading zeros", b"0003\r\nabc\r\n0\r\n\r\n"),
    chunks("chunk extension", b"3;name=value\r\nabc\r\n0\r\n\r\n"),
    chunks("chunk extension, quoted", b'3;name="va;lue"\r\nabc\r\n0\r\n\r\n'),
    chunks("chunk extension with a bare LF", b"3;name\nabc\r\n0\r\n\r\n"),
    chunks("chunk extension with a bare CR", b"3;na\rme\r\nabc\r\n0\r\n\r\n"),
    chunks("size 0x3", b"0x3\r\nabc\r\n0\r\n\r\n"),
    chunks("size -3", b"-3\r\nabc\r\n0\r\n\r\n"),
    chunks("size +3", b"+3\r\nabc\r\n0\r\n\r\n"),
    chunks("size 3_0", b"3_0\r\nabc\r\n0\r\n\r\n"),
    chunks("size with a space after", b"3 \r\nabc\r\n0\r\n\r\n"),
    chunks("size with a space before", b" 3\r\nabc\r\n0\r\n\r\n"),
    chunks("size with a tab after", b"3\t\r\nabc\r\n0\r\n\r\n"),
    chunks("size beyond 64 bits", b"10000000000000003\r\nabc\r\n0\r\n\r\n"),
    chunks("size of 64 bits", b"ffffffffffffffff\r\nabc\r\n0\r\n\r\n"),
    chunks("no size", b"\r\nabc\r\n0\r\n\r\n"),
    chunks("size xyz", b"xyz\r\nabc\r\n0\r\n\r\n"),
    chunks("size after a bare LF", b"3\nabc\r\n0\r\n\r\n"),
    chunks("chunk ends with a bare LF", b"3\r\nabc\n0\r\n\r\n"),
    chunks("chunk ends with a bare CR", b"3\r\nabc\r0\r\n\r\n"),
    chunks("chunk longer than its size", b"3\r\nabcd\r\n0\r\n\r\n"),
    chunks("chunk shorter than its size", b"4\r\nabc\r\n0\r\n\r\n"),
    chunks("last chunk with a bare LF", b"3\r\nabc\r\n0\n\n"),
    chunks("trailers", b"3\r\nabc\r\n0\r\nx-trailer: 1\r\n\r\n"),
    chunks("trailer that frames", b"3\r\nabc\r\n0\r\ncontent-length: 5\r\n\r\n"),
    chunks("trailer with a bad name", b"3\r\nabc\r\n0\r\nx trailer: 1\r\n\r\n"),
    chunks("trailer with obs-fold", b"3\r\nabc\r\n0\r\nx-a: 1\r\n 2\r\n\r\n"),
    case("client leaves in the head", "RFC 9112 8", b"GET / HTTP/1.1\r\nhost: or", Do.CLOSE),
    case("client leaves in the body", "RFC 9112 8", raw(POST + "content-length: 9\n\nabc"), Do.CLOSE),
    case("client resets in a chunk", "RFC 9112 8", raw(CHUNKED + "9\nabc"), Do.RESET),
    case(
        "origin answers before the body",
        "RFC 9112 9.5",
        raw(POST + "content-length: 3\n\n"),
        Do.WAIT,
        replies=(reply(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", early=True),),
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_framing(case: Case, pair: Pair) -> None:
    await pair.check(case)
