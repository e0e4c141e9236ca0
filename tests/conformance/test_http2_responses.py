"""Answers in HTTP/2 to clients of both versions, well-formed or not (RFC 9113 section 8)."""

from __future__ import annotations

import pytest
from differ import http2_wire as wire
from differ.case import Case, Do, Step, case
from differ.case import get as get_http1
from differ.http2_area import area
from differ.http2_case import HTTP2, answer, ask, body, from_http1, get, replies, trailers
from differ.http2_wire import Frame, headers
from differ.pair import Pair

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

AREA = area("http2 responses")
OK = answer("200", ("content-length", "2")), body(b"ok")


def asked(name: str, section: str, *script: Step, method: str = "GET", **options: object) -> Case:
    """A plain request, and what the origin sends."""
    return ask(name, section, get(authority=HTTP2, method=method), replies=replies(*script), **options)


def broken(name: str, section: str, *script: Step) -> Case:
    return asked(name, section, *script)


def heads() -> tuple[Case, ...]:
    """Sections 8.3.2 and 8.2."""
    return (
        asked("200", "8.3.2", *OK),
        asked("201", "8.3.2", answer("201", end=True)),
        asked("404", "8.3.2", answer("404"), body(b"no")),
        asked("500", "8.3.2", answer("500"), body(b"oops")),
        asked("599", "8.3.2", answer("599", end=True)),
        asked("600", "8.3.2", answer("600", end=True)),
        asked("999", "8.3.2", answer("999", end=True)),
        broken("099", "8.3.2", answer("099", end=True)),
        broken("20", "8.3.2", answer("20", end=True)),
        broken("2000", "8.3.2", answer("2000", end=True)),
        broken("abc", "8.3.2", answer("abc", end=True)),
        broken("no status", "8.3.2", headers(None, wire.block(("x-a", "1")))),
        broken("an empty status", "8.3.2", answer("", end=True)),
        broken("status twice", "8.3.2", answer("200", (":status", "200"), end=True)),
        broken("status behind a field", "8.3", headers(None, wire.block(("x-a", "1"), (":status", "200")))),
        broken("a request's pseudo field", "8.3", answer("200", (":path", "/"), end=True)),
        broken("an unknown pseudo field", "8.3", answer("200", (":what", "1"), end=True)),
        broken("a name in capitals", "8.2.1", answer("200", ("X-A", "1"), end=True)),
        broken("a name with a space", "8.2.1", answer("200", ("x a", "1"), end=True)),
        broken("an empty name", "8.2.1", answer("200", ("", "1"), end=True)),
        broken("a value with a newline", "8.2.1", answer("200", ("x-a", "1\r\nx-b: 2"), end=True)),
        broken("a value with a zero", "8.2.1", answer("200", ("x-a", "1\x002"), end=True)),
        broken("a value with a bell", "8.2.1", answer("200", ("x-a", "1\x072"), end=True)),
        asked("a value of 8 bits", "8.2.1", answer("200", ("x-a", "\xe9"), end=True)),
        asked("an empty value", "8.2.1", answer("200", ("x-a", ""), end=True)),
        broken("connection", "8.2.2", answer("200", ("connection", "close"), end=True)),
        broken("keep-alive", "8.2.2", answer("200", ("keep-alive", "timeout=5"), end=True)),
        broken("transfer-encoding", "8.2.2", answer("200", ("transfer-encoding", "chunked")), body(b"ok")),
        broken("upgrade", "8.2.2", answer("200", ("upgrade", "h2c"), end=True)),
        broken("te", "8.2.2", answer("200", ("te", "trailers"), end=True)),
        asked("cookies", "8.2.3", answer("200", ("set-cookie", "a=1"), ("set-cookie", "b=2"), end=True)),
        asked("a name twice", "8.2", answer("200", ("x-a", "1"), ("x-b", "2"), ("x-a", "3"), end=True)),
        asked("server and date", "8.2", answer("200", ("server", "its"), ("date", "now"), end=True)),
        asked("120 fields", "8.2", answer("200", *((f"x-{at}", "1") for at in range(120)), end=True)),
        asked(
            "x-envoy fields",
            "8.2",
            answer("200", ("x-envoy-upstream-service-time", "5"), ("x-envoy-a", "1"), end=True),
        ),
    )


def bodies() -> tuple[Case, ...]:
    """Sections 8.1 and 8.1.1."""
    return (
        asked("a body without a length", "8.1", answer("200"), body(b"ok")),
        asked(
            "a body in pieces",
            "8.1",
            answer("200"),
            body(b"a", end=False),
            Do.SYNC,
            body(b"b", end=False),
            Do.SYNC,
            body(b""),
        ),
        asked("an empty body", "8.1", answer("200"), body(b"")),
        asked("no body", "8.1", answer("200", end=True)),
        asked("a length of 0", "8.1.1", answer("200", ("content-length", "0"), end=True)),
        asked("a length of 0, then the end", "8.1.1", answer("200", ("content-length", "0")), body(b"")),
        broken(
            "shorter than its length", "8.1.1", answer("200", ("content-length", "3")), Do.SYNC, body(b"ok")
        ),
        broken(
            "longer than its length", "8.1.1", answer("200", ("content-length", "1")), Do.SYNC, body(b"ok")
        ),
        broken("a length, and no body", "8.1.1", answer("200", ("content-length", "3"), end=True)),
        broken("a length of letters", "8.1.1", answer("200", ("content-length", "abc")), body(b"ok")),
        broken(
            "a length twice",
            "8.1.1",
            answer("200", ("content-length", "2"), ("content-length", "2")),
            body(b"ok"),
        ),
        broken(
            "two lengths",
            "8.1.1",
            answer("200", ("content-length", "2"), ("content-length", "3")),
            body(b"ok"),
        ),
        asked(
            "trailers", "8.1", answer("200"), body(b"ok", end=False), trailers(("x-sum", "1"), stream=None)
        ),
        asked("trailers and no body", "8.1", answer("200"), trailers(("x-sum", "1"), stream=None)),
        asked("trailers of none", "8.1", answer("200"), body(b"ok", end=False), trailers(stream=None)),
        broken(
            "trailers with a pseudo field",
            "8.1",
            answer("200"),
            Do.SYNC,
            trailers((":status", "200"), stream=None),
        ),
        broken("trailers in capitals", "8.1", answer("200"), Do.SYNC, trailers(("X-Sum", "1"), stream=None)),
        broken(
            "trailers without an end",
            "8.1",
            answer("200"),
            Do.SYNC,
            headers(None, wire.block(("x-a", "1")), end=False),
        ),
        asked("HEAD", "8.1", answer("200", ("content-length", "9"), end=True), method="HEAD"),
        asked("HEAD without a length", "8.1", answer("200", end=True), method="HEAD"),
        asked(
            "HEAD, and the end in DATA",
            "8.1",
            answer("200", ("content-length", "9")),
            body(b""),
            method="HEAD",
        ),
        broken("HEAD with a body", "8.1", answer("200", ("content-length", "2")), Do.SYNC, body(b"ok")),
        asked("204", "8.1", answer("204", end=True)),
        asked("204 with a length", "8.1", answer("204", ("content-length", "0"), end=True)),
        asked("304", "8.1", answer("304", ("etag", '"1"'), end=True)),
        asked("304 with a length", "8.1", answer("304", ("content-length", "9"), end=True)),
        asked("205", "8.1", answer("205", end=True)),
        asked("100", "8.1", answer("100"), *OK),
        asked("102", "8.1", answer("102"), *OK),
        asked("103", "8.1", answer("103", ("link", "</a>")), *OK),
        asked("100 twice", "8.1", answer("100"), answer("100"), *OK),
        broken("100 with an end", "8.1", answer("100", end=True)),
        broken("101", "8.6", answer("101"), *OK),
        broken("DATA first", "8.1", body(b"ok")),
        asked("padding", "6.1", answer("200"), Frame(wire.DATA, 9, None, b"\3ok\0\0\0")),
        asked(
            "priority",
            "6.2",
            Frame(wire.HEADERS, 0x25, None, bytes(4) + b"\1" + wire.block((":status", "200"))),
        ),
        asked(
            "in CONTINUATION",
            "6.10",
            headers(None, b"", end=False, whole=False),
            wire.continuation(None, wire.block((":status", "200"))),
            body(b"ok"),
        ),
    )


def requests_of_http1() -> tuple[Case, ...]:
    """Requests that only it can send."""

    def ask1(name: str, *client: Step, **options: object) -> Case:
        return case(f"HTTP/1 asks: {name}", "RFC 9113 8.1", *client, **options)

    def send(*lines: str, method: str = "POST", body: bytes = b"", path: str = "/") -> bytes:
        return get_http1(path, *lines, method=method, host=HTTP2, body=body)

    chunked = "transfer-encoding: chunked"
    return (
        ask1("a body", send(body=b"abc")),
        ask1("chunks", send(chunked) + b"3\r\nabc\r\n0\r\n\r\n"),
        ask1("chunks and trailers", send(chunked) + b"3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"),
        ask1("POST without a body", send()),
        ask1("POST of 0", send("content-length: 0")),
        ask1("te: trailers", send("te: trailers", method="GET")),
        ask1("te: gzip", send("te: gzip", method="GET")),
        ask1("connection: close", send("connection: close", method="GET")),
        ask1("connection names", send("connection: x-a", "x-a: 1", method="GET")),
        ask1("keep-alive", send("connection: keep-alive", "keep-alive: timeout=5", method="GET")),
        ask1("upgrade", send("connection: upgrade", "upgrade: h2c", method="GET")),
        ask1("cookies", send("cookie: a=1; b=2", method="GET")),
        ask1("two cookies", send("cookie: a=1", "cookie: b=2", method="GET")),
        ask1("capitals", send("X-Capital: A", method="GET")),
        ask1("expect", send("expect: 100-continue", "content-length: 3"), Do.WAIT, b"abc"),
        ask1("x-forwarded-proto", send("x-forwarded-proto: https", method="GET")),
        ask1("absolute", f"GET http://{HTTP2}/a HTTP/1.1\r\nhost: {HTTP2}\r\n\r\n".encode()),
        ask1("absolute, https", f"GET https://{HTTP2}/a HTTP/1.1\r\nhost: {HTTP2}\r\n\r\n".encode()),
        ask1("OPTIONS", send(method="OPTIONS")),
        ask1("PUT", send(method="PUT", body=b"x" * 50_000)),
        ask1("two", send(path="/1", method="GET") + send(path="/2", method="GET"), responses=2),
        ask1("HTTP/1.0", send(method="GET").replace(b"HTTP/1.1", b"HTTP/1.0")),
        ask1("a value with spaces", send("x-a:   1  ", method="GET")),
        ask1("a value of 8 bits", send("x-a: \xe9", method="GET")),
    )


_ANSWERS = (*heads(), *bodies())
CASES = (*_ANSWERS, *from_http1(_ANSWERS), *requests_of_http1())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_http2_responses(case: Case, pair: Pair) -> None:
    await pair.check(case)
