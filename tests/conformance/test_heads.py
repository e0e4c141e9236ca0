"""Request lines and fields: RFC 9112 sections 3, 5 and 9.6, RFC 9110 sections 5 to 10."""

from __future__ import annotations

import pytest
from differ.case import Case, Do, case, get, raw, reply
from differ.pair import Pair
from differ.resources import Area, any_host, prefix, to

from mesh.model.route import Route

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

AREA = Area("heads", any_host(Route(prefix("/"), to())))
NEXT = get("/next")
HTTP10 = reply(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")


def line(name: str, text: str, about: str = "RFC 9112 3") -> Case:
    """A request line, or more, before a Host field."""
    return case(name, about, raw(text + "\nhost: origin\n\n") + NEXT, responses=2)


def field(name: str, text: str, about: str = "RFC 9112 5") -> Case:
    return case(name, about, raw("GET /f HTTP/1.1\nhost: origin\n" + text + "\n\n") + NEXT, responses=2)


def data(name: str, request: bytes, about: str = "RFC 9112 2.2", **options: object) -> Case:
    return case(name, about, request + NEXT, responses=2, **options)


CASES = (
    # the request line
    line("lower-case method", "get / HTTP/1.1"),
    line("unknown method", "BREW /pot HTTP/1.1"),
    line("method with a bad character", "G@T / HTTP/1.1"),
    line("PATCH", "PATCH / HTTP/1.1"),
    line("PURGE", "PURGE / HTTP/1.1"),
    line("TRACE", "TRACE / HTTP/1.1", "RFC 9110 9.3.8"),
    line("OPTIONS *", "OPTIONS * HTTP/1.1", "RFC 9112 3.2.4"),
    line("GET *", "GET * HTTP/1.1", "RFC 9112 3.2.4"),
    line("CONNECT", "CONNECT origin:80 HTTP/1.1", "RFC 9112 3.2.3"),
    line("CONNECT to a path", "CONNECT /x HTTP/1.1", "RFC 9112 3.2.3"),
    line("two spaces in the request line", "GET  / HTTP/1.1"),
    line("tab in the request line", "GET\t/ HTTP/1.1"),
    line("space at the end of the request line", "GET / HTTP/1.1 "),
    line("space before the method", " GET / HTTP/1.1"),
    line("space in the target", "GET /a b HTTP/1.1"),
    line("no version", "GET /"),
    line("HTTP/0.9", "GET / HTTP/0.9"),
    line("HTTP/1.2", "GET / HTTP/1.2"),
    line("HTTP/2.0", "GET / HTTP/2.0"),
    line("HTTP/3.0", "GET / HTTP/3.0"),
    line("http/1.1 in lower case", "GET / http/1.1"),
    line("HTTP/1.10", "GET / HTTP/1.10"),
    line("HTTP/01.1", "GET / HTTP/01.1"),
    line("fragment", "GET /a#b HTTP/1.1", "RFC 9112 3.2.1"),
    line("no leading slash", "GET a HTTP/1.1", "RFC 9112 3.2.1"),
    line("only a query", "GET ?a=b HTTP/1.1", "RFC 9112 3.2.1"),
    line("dot segments", "GET /a/../b/./c HTTP/1.1", "path normalisation"),
    line("two slashes", "GET //a//b HTTP/1.1", "path normalisation"),
    line("escapes", "GET /%61%2f%2E%2e/%zz HTTP/1.1", "path normalisation"),
    line("backslash", "GET /a\\b HTTP/1.1", "path normalisation"),
    line("eight-bit target", "GET /caf\xe9 HTTP/1.1"),
    line("control character in the target", "GET /a\x01b HTTP/1.1"),
    line("quote in the target", 'GET /a"b<c>{d}|e^f`g HTTP/1.1'),
    # absolute-form
    line("absolute-form", "GET http://origin/abs?q=1 HTTP/1.1", "RFC 9112 3.2.2"),
    line("absolute-form of another host", "GET http://other:81/abs HTTP/1.1", "RFC 9112 3.2.2"),
    line("absolute-form without path", "GET http://origin HTTP/1.1", "RFC 9112 3.2.2"),
    line("absolute-form with only a query", "GET http://origin?a=b HTTP/1.1", "RFC 9112 3.2.2"),
    line("absolute-form of https", "GET https://origin/abs HTTP/1.1", "RFC 9112 3.2.2"),
    line("absolute-form in capitals", "GET HTTP://ORIGIN/abs HTTP/1.1", "RFC 9112 3.2.2"),
    line("absolute-form of another scheme", "GET ftp://origin/abs HTTP/1.1", "RFC 9112 3.2.2"),
    line("absolute-form with user", "GET http://user@origin/abs HTTP/1.1", "RFC 9110 4.2.4"),
    line("absolute-form with no host", "GET http:///abs HTTP/1.1", "RFC 9112 3.2.2"),
    line("OPTIONS absolute-form", "OPTIONS http://origin HTTP/1.1", "RFC 9112 3.2.4"),
    data("absolute-form without Host", raw("GET http://origin/abs HTTP/1.1\n\n"), "RFC 9112 3.2"),
    # Host
    data("no Host", raw("GET / HTTP/1.1\n\n"), "RFC 9112 3.2"),
    field("two Hosts", "host: other", "RFC 9112 3.2"),
    field("two equal Hosts", "host: origin", "RFC 9112 3.2"),
    data("empty Host", raw("GET / HTTP/1.1\nhost:\n\n"), "RFC 9112 3.2"),
    data("Host with a port", raw("GET / HTTP/1.1\nhost: origin:8080\n\n"), "RFC 9110 7.2"),
    data("Host in capitals", raw("GET / HTTP/1.1\nHOST: ORIGIN\n\n"), "RFC 9110 7.2"),
    data("Host with a space", raw("GET / HTTP/1.1\nhost: ori gin\n\n"), "RFC 9110 7.2"),
    data("Host with a slash", raw("GET / HTTP/1.1\nhost: origin/x\n\n"), "RFC 9110 7.2"),
    data("Host with a comma", raw("GET / HTTP/1.1\nhost: a, b\n\n"), "RFC 9110 7.2"),
    data("Host with a user", raw("GET / HTTP/1.1\nhost: u@origin\n\n"), "RFC 9110 7.2"),
    data("Host with a port that is no number", raw("GET / HTTP/1.1\nhost: origin:abc\n\n"), "RFC 9110 7.2"),
    data("Host of IPv6", raw("GET / HTTP/1.1\nhost: [::1]:80\n\n"), "RFC 9110 7.2"),
    data("Host with an underscore", raw("GET / HTTP/1.1\nhost: my_origin\n\n"), "RFC 9110 7.2"),
    data("Host eight-bit", raw("GET / HTTP/1.1\nhost: caf\xe9\n\n"), "RFC 9110 7.2"),
    # fields
    field("empty value", "x-a:"),
    field("spaces around a value", "x-a: \t b  c \t"),
    field("a name twice", "x-a: 1\nx-a: 2", "RFC 9110 5.3"),
    field("a name in capitals", "X-A: 1"),
    field("cookies", "cookie: a=1\ncookie: b=2", "RFC 9113 8.2.3"),
    field("eight-bit value", "x-a: caf\xe9", "RFC 9110 5.5"),
    field("control character in a value", "x-a: a\x01b", "RFC 9110 5.5"),
    field("DEL in a value", "x-a: a\x7fb", "RFC 9110 5.5"),
    field("NUL in a value", "x-a: a\x00b", "RFC 9110 5.5"),
    field("NUL in a name", "x\x00a: b", "RFC 9110 5.1"),
    field("tab in a value", "x-a: a\tb", "RFC 9110 5.5"),
    field("space before the colon", "x-a : 1", "RFC 9112 5.1"),
    field("tab before the colon", "x-a\t: 1", "RFC 9112 5.1"),
    field("space in a name", "x a: 1", "RFC 9112 5.1"),
    field("empty name", ": 1", "RFC 9112 5.1"),
    field("no colon", "x-a", "RFC 9112 5"),
    field("bad character in a name", "x(a): 1", "RFC 9110 5.6.2"),
    field("eight-bit name", "x\xe9: 1", "RFC 9110 5.6.2"),
    field("underscore in a name", "x_a: 1", "Envoy's headers_with_underscores_action"),
    field("obs-fold", "x-a: 1\n 2", "RFC 9112 5.2"),
    field("obs-fold with a tab", "x-a: 1\n\t2", "RFC 9112 5.2"),
    field("whitespace line after the request line", " \nx-a: 1", "RFC 9112 2.2"),
    data("bare LF after a field", b"GET / HTTP/1.1\r\nhost: origin\nx-a: 1\r\n\r\n"),
    data("bare LF everywhere", b"GET / HTTP/1.1\nhost: origin\n\n"),
    data("bare LF at the end of the head", b"GET / HTTP/1.1\r\nhost: origin\r\n\n"),
    data("bare CR in a value", b"GET / HTTP/1.1\r\nhost: origin\r\nx-a: 1\rx-b: 2\r\n\r\n"),
    data("bare CR after a field", b"GET / HTTP/1.1\r\nhost: origin\r\nx-a: 1\r\r\n\r\n"),
    # limits
    field("100 fields", "\n".join(f"x-{n}: {n}" for n in range(99)), "Envoy's max_headers_count"),
    field("101 fields", "\n".join(f"x-{n}: {n}" for n in range(100)), "Envoy's max_headers_count"),
    field("a value of 50 kB", "x-a: " + "a" * 50_000, "Envoy's max_request_headers_kb"),
    field("a value of 61 kB", "x-a: " + "a" * 62_464, "Envoy's max_request_headers_kb"),
    line("a target of 50 kB", "GET /" + "a" * 50_000 + " HTTP/1.1", "Envoy's max_request_headers_kb"),
    line("a target of 61 kB", "GET /" + "a" * 62_464 + " HTTP/1.1", "Envoy's max_request_headers_kb"),
    # hop by hop
    field("connection: close", "connection: close", "RFC 9112 9.6"),
    field("connection: keep-alive", "connection: keep-alive\nkeep-alive: timeout=5", "RFC 9112 9.3"),
    field("connection names a field", "connection: x-a\nx-a: 1", "RFC 9110 7.6.1"),
    field("connection names close and a field", "connection: close, x-a\nx-a: 1", "RFC 9110 7.6.1"),
    field("connection names Host", "connection: host", "RFC 9110 7.6.1"),
    field(
        "connection names x-forwarded-for",
        "connection: x-forwarded-for\nx-forwarded-for: 9.9.9.9",
        "RFC 9110 7.6.1",
    ),
    field("proxy-connection", "proxy-connection: keep-alive", "RFC 9110 7.6.1"),
    field("te: trailers", "te: trailers\nconnection: te", "RFC 9110 10.1.4"),
    field("te: gzip", "te: gzip\nconnection: te", "RFC 9110 10.1.4"),
    field("trailer", "trailer: x-a", "RFC 9110 6.6.2"),
    field("proxy-authorization", "proxy-authorization: Basic eA==", "RFC 9110 11.7.2"),
    field("max-forwards", "max-forwards: 0", "RFC 9110 7.6.2"),
    field("via", "via: 1.1 other", "RFC 9110 7.6.3"),
    field("upgrade that is not configured", "connection: upgrade\nupgrade: websocket", "RFC 9110 7.8"),
    field(
        "upgrade to h2c",
        "connection: upgrade, http2-settings\nupgrade: h2c\nhttp2-settings: AAMAAABkAAQAAP__",
        "RFC 9113 3.1",
    ),
    # HTTP/1.0
    case("HTTP/1.0", "RFC 9112 9.3", raw("GET /o HTTP/1.0\nhost: origin\n\n")),
    case("HTTP/1.0 without Host", "RFC 9112 3.2", raw("GET /o HTTP/1.0\n\n")),
    case(
        "HTTP/1.0 keep-alive",
        "RFC 9112 9.3",
        raw("GET /o HTTP/1.0\nhost: origin\nconnection: keep-alive\n\n"),
    ),
    case(
        "HTTP/1.0, chunked answer",
        "RFC 9112 6.1",
        raw("GET /o HTTP/1.0\nhost: origin\n\n"),
        replies=(HTTP10,),
    ),
    case(
        "HTTP/1.0 keep-alive, chunked answer",
        "RFC 9112 6.1",
        raw("GET /o HTTP/1.0\nhost: origin\nconnection: keep-alive\n\n"),
        replies=(HTTP10,),
    ),
    # Expect
    case(
        "expect, then the body",
        "RFC 9110 10.1.1",
        raw("POST /e HTTP/1.1\nhost: origin\nexpect: 100-continue\ncontent-length: 3\n\n"),
        Do.WAIT,
        b"abc",
    ),
    case(
        "expect with the body",
        "RFC 9110 10.1.1",
        raw("POST /e HTTP/1.1\nhost: origin\nexpect: 100-continue\ncontent-length: 3\n\nabc"),
    ),
    case(
        "expect in capitals",
        "RFC 9110 10.1.1",
        raw("POST /e HTTP/1.1\nhost: origin\nexpect: 100-Continue\ncontent-length: 3\n\n"),
        Do.WAIT,
        b"abc",
    ),
    case("expect without a body", "RFC 9110 10.1.1", get("/e", "expect: 100-continue")),
    case("expect something else", "RFC 9110 10.1.1", get("/e", "expect: a-miracle")),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_heads(case: Case, pair: Pair) -> None:
    await pair.check(case)
