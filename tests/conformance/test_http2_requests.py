"""Requests in HTTP/2, to a server of HTTP/1.1 and to one of HTTP/2 (RFC 9113 section 8)."""

from __future__ import annotations

import pytest
from differ.case import Case, Do
from differ.http2_area import area
from differ.http2_case import HTTP1, HTTP2, ask, bare, get, head, post, trailers
from differ.http2_wire import HEADERS, Frame, continuation, data, headers, rst
from differ.pair import Pair

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

AREA = area("http2 requests")
METHOD, SCHEME, PATH, AUTHORITY = (
    (":method", "GET"),
    (":scheme", "http"),
    (":path", "/"),
    (":authority", HTTP1),
)
LINE = METHOD, SCHEME, PATH, AUTHORITY


def pseudo() -> tuple[Case, ...]:
    """Section 8.3.1."""
    return (
        ask("no method", "8.3.1", bare(SCHEME, PATH, AUTHORITY)),
        ask("no scheme", "8.3.1", bare(METHOD, PATH, AUTHORITY)),
        ask("no path", "8.3.1", bare(METHOD, SCHEME, AUTHORITY)),
        ask("no authority", "8.3.1", bare(METHOD, SCHEME, PATH)),
        ask("no authority, a host", "8.3.1", bare(METHOD, SCHEME, PATH, ("host", HTTP1))),
        ask("authority and the same host", "8.3.1", get(("host", HTTP1))),
        ask("authority and another host", "8.3.1", get(("host", "other"))),
        ask("authority and two hosts", "8.3.1", get(("host", HTTP1), ("host", HTTP1))),
        ask("an empty authority", "8.3.1", get(authority="")),
        ask("an empty authority and a host", "8.3.1", get(("host", HTTP1), authority="")),
        ask("an authority with a port", "8.3.1", get(authority="origin:80")),
        ask("an authority with a user", "8.3.1", get(authority="user@origin")),
        ask("an authority with a space", "8.3.1", get(authority="origin a")),
        ask("an authority with a slash", "8.3.1", get(authority="origin/a")),
        ask("an authority in capitals", "8.3.1", get(authority="ORIGIN")),
        ask("an authority in brackets", "8.3.1", get(authority="[::1]:80")),
        ask("an authority of percents", "8.3.1", get(authority="or%69gin")),
        ask("an authority of 8 bits", "8.3.1", get(authority="origin\xe9")),
        ask("no field at all", "8.3.1", bare()),
        ask("method twice", "8.3", bare(METHOD, *LINE)),
        ask("scheme twice", "8.3", bare(SCHEME, *LINE)),
        ask("path twice", "8.3", bare(PATH, *LINE)),
        ask("authority twice", "8.3", bare(AUTHORITY, *LINE)),
        ask("method behind a field", "8.3", bare(SCHEME, PATH, AUTHORITY, ("x-a", "1"), METHOD)),
        ask("an unknown one", "8.3", bare(*LINE, (":unknown", "1"))),
        ask("one with no name", "8.3", bare(*LINE, (":", "1"))),
        ask("a status", "8.3", bare(*LINE, (":status", "200"))),
        ask("an empty method", "8.3.1", get(method="")),
        ask("a method of its own", "8.3.1", get(method="PROPFIND")),
        ask("a method in small letters", "8.3.1", get(method="get")),
        ask("a method with a space", "8.3.1", get(method="GE T")),
        ask("a method with a newline", "8.3.1", get(method="GET / HTTP/1.1\r\nx: ")),
        ask("a method of symbols", "8.3.1", get(method="!#$%&'*+-.^_`|~")),
        ask("HEAD", "8.3.1", get(method="HEAD"), methods=("HEAD",)),
        ask("OPTIONS of a star", "8.3.1", get(path="*", method="OPTIONS")),
        ask("GET of a star", "8.3.1", get(path="*")),
        ask("TRACE", "8.3.1", get(method="TRACE")),
        ask("PRI", "8.3.1", get(path="*", method="PRI")),
        ask("an empty path", "8.3.1", get(path="")),
        ask("a path without a slash", "8.3.1", get(path="a")),
        ask("a path with a space", "8.3.1", get(path="/a b")),
        ask("a path with a newline", "8.3.1", get(path="/a\r\nx: 1")),
        ask("a path with a zero", "8.3.1", get(path="/a\0b")),
        ask("a path with a tab", "8.3.1", get(path="/a\tb")),
        ask("a path with a fragment", "8.3.1", get(path="/a#b")),
        ask("a path with a query", "8.3.1", get(path="/a?b=c&d=%20")),
        ask("a path with dots", "8.3.1", get(path="/a/../b/./c")),
        ask("a path with slashes", "8.3.1", get(path="//a//b")),
        ask("a path of 8 bits", "8.3.1", get(path="/\xe9")),
        ask("a path with quotes", "8.3.1", get(path='/"<>\\^`{|}')),
        ask("a path that is a URL", "8.3.1", get(path="http://origin/a")),
        ask("scheme https", "8.3.1", get(scheme="https")),
        ask("scheme in capitals", "8.3.1", get(scheme="HTTP")),
        ask("scheme ftp", "8.3.1", get(scheme="ftp")),
        ask("an empty scheme", "8.3.1", get(scheme="")),
        ask("a scheme with a newline", "8.3.1", get(scheme="http\r\n")),
    )


def names_and_values() -> tuple[Case, ...]:
    """Section 8.2."""
    return (
        ask("a name in capitals", "8.2.1", get(("X-A", "1"))),
        ask("an empty name", "8.2.1", get(("", "1"))),
        ask("a name with a space", "8.2.1", get(("x a", "1"))),
        ask("a name with a colon", "8.2.1", get(("x:a", "1"))),
        ask("a name with a newline", "8.2.1", get(("x-a\r\nx-b", "1"))),
        ask("a name with a zero", "8.2.1", get(("x\0a", "1"))),
        ask("a name of 8 bits", "8.2.1", get(("x\xe9", "1"))),
        ask("a name with an underscore", "8.2.1", get(("x_a", "1"))),
        ask("a name of symbols", "8.2.1", get(("!#$%&'*+-.^_`|~", "1"))),
        ask("a name with quotes", "8.2.1", get(('x"a', "1"))),
        ask("an empty value", "8.2.1", get(("x-a", ""))),
        ask("a value with a newline", "8.2.1", get(("x-a", "1\r\nx-b: 2"))),
        ask("a value with a line feed", "8.2.1", get(("x-a", "1\n2"))),
        ask("a value with a carriage return", "8.2.1", get(("x-a", "1\r2"))),
        ask("a value with a zero", "8.2.1", get(("x-a", "1\x002"))),
        ask("a value with a bell", "8.2.1", get(("x-a", "1\x072"))),
        ask("a value with a delete", "8.2.1", get(("x-a", "1\x7f2"))),
        ask("a value with a tab", "8.2.1", get(("x-a", "1\t2"))),
        ask("a value with a space before", "8.2.1", get(("x-a", " 1"))),
        ask("a value with a space behind", "8.2.1", get(("x-a", "1 "))),
        ask("a value with a tab behind", "8.2.1", get(("x-a", "1\t"))),
        ask("a value of 8 bits", "8.2.1", get(("x-a", "\xe9\xff"))),
        ask("a name twice", "8.2", get(("x-a", "1"), ("x-b", "2"), ("x-a", "3"))),
        ask("connection: close", "8.2.2", get(("connection", "close"))),
        ask("connection: keep-alive", "8.2.2", get(("connection", "keep-alive"))),
        ask("keep-alive", "8.2.2", get(("keep-alive", "timeout=5"))),
        ask("proxy-connection", "8.2.2", get(("proxy-connection", "keep-alive"))),
        ask(
            "transfer-encoding: chunked",
            "8.2.2",
            post(("transfer-encoding", "chunked")),
            data(1, b"abc", end=True),
        ),
        ask("transfer-encoding: identity", "8.2.2", get(("transfer-encoding", "identity"))),
        ask("upgrade", "8.2.2", get(("upgrade", "websocket"))),
        ask("http2-settings", "8.2.2", get(("http2-settings", "AAMAAABkAAQAAP__"))),
        ask("te: trailers", "8.2.2", get(("te", "trailers"))),
        ask("te: Trailers", "8.2.2", get(("te", "Trailers"))),
        ask("te: gzip", "8.2.2", get(("te", "gzip"))),
        ask("te: trailers, gzip", "8.2.2", get(("te", "trailers, gzip"))),
        ask("te twice", "8.2.2", get(("te", "trailers"), ("te", "trailers"))),
        ask("an empty te", "8.2.2", get(("te", ""))),
        ask(
            "cookies in crumbs",
            "8.2.3",
            get(("cookie", "a=1"), ("x-a", "1"), ("cookie", "b=2"), ("cookie", "c=3")),
        ),
        ask("one cookie", "8.2.3", get(("cookie", "a=1; b=2"))),
        ask("an empty crumb", "8.2.3", get(("cookie", "a=1"), ("cookie", ""))),
        ask(
            "expect",
            "8.1",
            post(("expect", "100-continue"), ("content-length", "3")),
            data(1, b"abc", end=True),
        ),
        ask("x-forwarded-for", "8.2", get(("x-forwarded-for", "1.2.3.4"))),
        ask("x-forwarded-proto", "8.2", get(("x-forwarded-proto", "https"))),
        ask("x-request-id", "8.2", get(("x-request-id", "abc"))),
        ask("trailer", "8.1", post(("trailer", "x-sum")), data(1, b"abc"), trailers(("x-sum", "1"))),
        ask("200 fields", "8.2", get(*((f"x-{number}", "1") for number in range(200)))),
        ask("a value of 10 kB", "8.2", get(("x-a", "1" * 10_000))),
        ask(
            "a value of 40 kB",
            "8.2",
            headers(1, head("/", ("x-a", "1" * 40_000))[:16384], whole=False),
            *(continuation(1, part, whole=last) for part, last in pieces(head("/", ("x-a", "1" * 40_000)))),
        ),
        ask(
            "a value of 70 kB",
            "8.2",
            headers(1, head("/", ("x-a", "1" * 70_000))[:16384], whole=False),
            *(continuation(1, part, whole=last) for part, last in pieces(head("/", ("x-a", "1" * 70_000)))),
        ),
    )


def pieces(block: bytes) -> list[tuple[bytes, bool]]:
    """What CONTINUATION carries, and whether it is the last."""
    return [
        (block[place : place + 16384], place + 16384 >= len(block))
        for place in range(16384, len(block), 16384)
    ]


def bodies() -> tuple[Case, ...]:
    """Sections 8.1 and 8.1.1."""
    return (
        ask("a body", "8.1", post(), data(1, b"abc", end=True)),
        ask(
            "a body in pieces",
            "8.1",
            post(),
            data(1, b"abc"),
            Do.SYNC,
            data(1, b"def"),
            Do.SYNC,
            data(1, end=True),
        ),
        ask("a body of none", "8.1", post(), data(1, end=True)),
        ask("a body that is said to be none", "8.1.1", post(("content-length", "0")), data(1, end=True)),
        ask("a GET with a body", "8.1", get(end=False), data(1, b"abc", end=True)),
        ask(
            "a GET with a length", "8.1.1", get(("content-length", "3"), end=False), data(1, b"abc", end=True)
        ),
        ask("a POST without a body", "8.1", get(method="POST")),
        ask("a PUT without a body", "8.1", get(method="PUT")),
        ask("a DELETE without a body", "8.1", get(method="DELETE")),
        ask("its length", "8.1.1", post(("content-length", "3")), data(1, b"abc", end=True)),
        ask(
            "its length, in two",
            "8.1.1",
            post(("content-length", "6")),
            data(1, b"abc"),
            data(1, b"def", end=True),
        ),
        ask(
            "its length, then nothing",
            "8.1.1",
            post(("content-length", "3")),
            data(1, b"abc"),
            data(1, end=True),
        ),
        ask("shorter than its length", "8.1.1", post(("content-length", "4")), data(1, b"abc", end=True)),
        ask("longer than its length", "8.1.1", post(("content-length", "2")), data(1, b"abc", end=True)),
        ask(
            "longer, in two",
            "8.1.1",
            post(("content-length", "4")),
            data(1, b"abc"),
            data(1, b"def", end=True),
        ),
        ask(
            "shorter, in two",
            "8.1.1",
            post(("content-length", "9")),
            data(1, b"abc"),
            data(1, b"def", end=True),
        ),
        ask("a length and no body", "8.1.1", get(("content-length", "3"), method="POST")),
        ask("a length of 0 and no body", "8.1.1", get(("content-length", "0"), method="POST")),
        ask(
            "a length twice, the same",
            "8.1.1",
            post(("content-length", "3"), ("content-length", "3")),
            data(1, b"abc", end=True),
        ),
        ask(
            "a length twice, others",
            "8.1.1",
            post(("content-length", "3"), ("content-length", "4")),
            data(1, b"abc", end=True),
        ),
        ask("a length of letters", "8.1.1", post(("content-length", "abc")), data(1, b"abc", end=True)),
        ask("a length with a sign", "8.1.1", post(("content-length", "+3")), data(1, b"abc", end=True)),
        ask("a negative length", "8.1.1", post(("content-length", "-3")), data(1, b"abc", end=True)),
        ask("a length of 20 digits", "8.1.1", post(("content-length", "9" * 20)), data(1, b"abc", end=True)),
        ask("an empty length", "8.1.1", post(("content-length", "")), data(1, b"abc", end=True)),
        ask("lengths in a list", "8.1.1", post(("content-length", "3, 3")), data(1, b"abc", end=True)),
        ask(
            "a length with a zero before", "8.1.1", post(("content-length", "03")), data(1, b"abc", end=True)
        ),
        ask("trailers", "8.1", post(), data(1, b"abc"), trailers(("x-sum", "1"))),
        ask("trailers and no body", "8.1", post(), trailers(("x-sum", "1"))),
        ask(
            "trailers, one twice",
            "8.1",
            post(),
            data(1, b"abc"),
            trailers(("x-a", "1"), ("x-b", "2"), ("x-a", "3")),
        ),
        ask("trailers of none", "8.1", post(), data(1, b"abc"), trailers()),
        ask("trailers without an end", "8.1", post(), data(1, b"abc"), Frame(HEADERS, 4, 1, b"\0\1a\0011")),
        ask("trailers in capitals", "8.1", post(), data(1, b"abc"), trailers(("X-Sum", "1"))),
        ask(
            "trailers with a pseudo field",
            "8.1",
            post(),
            data(1, b"abc"),
            trailers((":path", "/"), ("x-sum", "1")),
        ),
        ask("trailers with a connection", "8.1", post(), data(1, b"abc"), trailers(("connection", "close"))),
        ask("trailers with a newline", "8.1", post(), data(1, b"abc"), trailers(("x-a", "1\r\n2"))),
        ask(
            "trailers that frame",
            "8.1",
            post(),
            data(1, b"abc"),
            trailers(("content-length", "5"), ("host", "evil")),
        ),
        ask(
            "trailers before a body that is short",
            "8.1.1",
            post(("content-length", "4")),
            data(1, b"abc"),
            trailers(("x-a", "1")),
        ),
        ask("two in turn", "8.1", get(path="/1"), get(path="/2", stream=3), responses=2),
        ask(
            "two at once",
            "8.1",
            post(path="/1"),
            post(path="/2", stream=3),
            data(3, b"3", end=True),
            data(1, b"1", end=True),
            responses=2,
        ),
        ask("given up before its end", "8.1", post(), data(1, b"abc"), Do.SYNC, rst(1, 8), responses=0),
        ask("left before its end", "8.1", post(), data(1, b"abc"), Do.SYNC, Do.CLOSE, responses=0),
    )


def to_http2(case: Case) -> Case:
    """The same, where the origin is spoken to in HTTP/2."""
    client = tuple(
        Frame(step.kind, step.flags, step.stream, step.payload.replace(_AUTHORITY, _AUTHORITY_HTTP2))
        if isinstance(step, Frame)
        else step
        for step in case.client
    )
    return Case(
        case.name + ", to HTTP/2",
        case.about,
        client,
        case.replies,
        case.responses,
        case.retried,
        case.methods,
        True,
    )


_AUTHORITY = b"\x06" + HTTP1.encode()
_AUTHORITY_HTTP2 = bytes((len(HTTP2),)) + HTTP2.encode()
_TO_HTTP1 = (*pseudo(), *names_and_values(), *bodies())
CASES = (*_TO_HTTP1, *map(to_http2, _TO_HTTP1))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_http2_requests(case: Case, pair: Pair) -> None:
    await pair.check(case)
