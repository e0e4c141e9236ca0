"""Servers of HTTP/2 that leave, refuse, reset or hold up (RFC 9113 section 5); what clients hear."""

from __future__ import annotations

import pytest
from differ import http2_wire as wire
from differ.case import Case, Do, Hear, Step, Upon
from differ.http2_area import ORIGIN_HTTP2, area
from differ.http2_case import HTTP2, answer, ask, body, from_http1, get, post, replies, trailers
from differ.http2_wire import Frame, goaway, headers, rst, settings, window_update
from differ.pair import Pair
from differ.resources import prefix, to

from mesh.model.route import DirectResponse, Redirect, RetryPolicy, Route, RouteMatch, VirtualHost

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

RETRIES = RetryPolicy(2, ("reset", "refused-stream", "5xx"), base_interval_s=0.001, max_interval_s=0.002)
AREA = area(
    "http2 endings",
    VirtualHost("retries", ("retries.http2",), (Route(RouteMatch(), to(ORIGIN_HTTP2, retry=RETRIES)),)),
    VirtualHost("limits", ("limits.http2",), (Route(RouteMatch(), to(ORIGIN_HTTP2, timeout_s=0.2)),)),
    VirtualHost(
        "own",
        ("own.http2",),
        (
            Route(prefix("/direct"), DirectResponse(200, b"direct")),
            Route(prefix("/empty"), DirectResponse(204)),
            Route(prefix("/nothing"), to("nobody")),
            Route(prefix("/redirect"), Redirect(path="/there")),
        ),
    ),
)
OK = answer("200", ("content-length", "2")), body(b"ok")


def asked(name: str, section: str, *script: Step, method: str = "GET", **options: object) -> Case:
    """A plain request, and what the origin sends."""
    return ask(name, section, get(authority=HTTP2, method=method), replies=replies(*script), **options)


def broken(name: str, section: str, *script: Step) -> Case:
    return asked(name, section, *script)


def ends() -> tuple[Case, ...]:
    """Sections 5.1, 5.4, 6.4 to 6.9: streams and connections that end early, or are held up."""
    codes = enumerate(wire.CODES)
    begun = answer("200"), body(b"a", end=False), Do.SYNC
    unfinished = post(authority=HTTP2)
    return (
        *(asked(f"RST_STREAM, {name}", "6.4", rst(None, code)) for code, name in codes),
        asked("RST_STREAM, 255", "7", rst(None, 255)),
        asked("RST_STREAM in the answer", "6.4", *begun, rst(None, 2)),
        asked("RST_STREAM in the answer, without an error", "6.4", *begun, rst(None, 0)),
        asked("RST_STREAM behind the answer", "6.4", *OK, rst(None, 0)),
        asked("closed", "5.1", Do.CLOSE),
        asked("closed with a reset", "5.1", Do.RESET),
        asked("closed in the answer", "5.1", *begun, Do.CLOSE),
        asked("GOAWAY behind the answer", "6.8", *OK, goaway(1)),
        asked("GOAWAY before the answer", "6.8", goaway(1), *OK),
        asked("GOAWAY that refuses it", "6.8", goaway(0), Do.SYNC, Do.CLOSE),
        asked("GOAWAY with an error", "6.8", goaway(0, 2), Do.CLOSE),
        asked("GOAWAY with an error, and the answer", "6.8", goaway(1, 2), *OK),
        asked("GOAWAY in the answer", "6.8", *begun, goaway(1), body(b"b")),
        asked("bytes that are none", "4.1", b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        asked("an unknown frame", "4.1", Frame(0x16, 0, 0, b"abc"), Frame(0x16, 0, None, b"abc"), *OK),
        asked("DATA of more than 16 kB", "4.2", answer("200"), body(b"x" * 16385)),
        asked("PING on a stream", "6.7", Frame(wire.PING, 0, None, bytes(8))),
        asked("a push", "8.4", Frame(wire.PUSH_PROMISE, 4, None, b"\0\0\0\2" + wire.block((":path", "/")))),
        asked("an update of 0", "6.9", window_update(0, 0)),
        asked("an update of 0 of the stream", "6.9", window_update(None, 0)),
        asked("too much of it", "6.9.1", window_update(None, 0x7FFFFFFF)),
        asked("HEADERS of a stream nobody opened", "5.1.1", headers(2, wire.block((":status", "200")))),
        asked("HEADERS of a stream to come", "5.1.1", headers(101, wire.block((":status", "200")))),
        asked("a block that is none", "4.3", headers(None, b"\xff\xff\xff\xff\xff\xff")),
        asked("settings that are wrong", "6.5.2", settings((4, 1 << 31))),
        asked("settings on a stream", "6.5", Frame(wire.SETTINGS, 0, None)),
        asked("DATA behind the end", "5.1", *OK, body(b"more")),
        asked("no settings first", "3.4", *OK, greeting=(wire.ping(bytes(8)),)),
        asked("one stream at a time", "5.1.2", *OK, greeting=(settings((3, 1)),)),
        ask(
            "three, one stream at a time",
            "5.1.2",
            *(get(path=f"/{at}", stream=at, authority=HTTP2) for at in (1, 3, 5)),
            responses=3,
            replies=replies(*OK),
            greeting=(settings((3, 1)),),
        ),
        ask(
            "an answer before the request's end",
            "8.1",
            unfinished,
            Upon(1, over=True),
            replies=replies(*OK, early=True),
        ),
        ask(
            "an answer, then NO_ERROR",
            "8.1",
            unfinished,
            Upon(1, over=True),
            replies=replies(*OK, rst(None, 0), early=True),
        ),
        ask(
            "an answer that begins before the request's end",
            "8.1",
            unfinished,
            Upon(1, 1),
            wire.data(1, b"abc", end=True),
            replies=replies(answer("200"), body(b"a", end=False), Hear(3), body(b"b"), early=True),
        ),
        ask("a reset before the request's end", "6.4", unfinished, replies=replies(rst(None, 2), early=True)),
        ask(
            "a request in a small window",
            "6.9",
            unfinished,
            *(wire.data(1, b"x" * 1000),) * 3,
            wire.data(1, end=True),
            replies=replies(
                Hear(100),
                settings((4, 1000)),
                Hear(1000),
                window_update(None, 5000),
                Hear(3000),
                *OK,
                early=True,
            ),
            greeting=(settings((4, 100)),),
        ),
        ask(
            "a request in no window",
            "6.9",
            unfinished,
            wire.data(1, b"abc", end=True),
            replies=replies(
                answer("200"), Do.SYNC, window_update(None, 10), Hear(3), body(b"ok"), early=True
            ),
            greeting=(settings((4, 0)),),
        ),
        ask(
            "given up",
            "6.4",
            get(authority=HTTP2),
            Upon(1, 1),
            rst(1, 8),
            responses=0,
            replies=replies(*begun, Do.HANG),
        ),
        ask(
            "left",
            "5.1",
            get(authority=HTTP2),
            Upon(1, 1),
            Do.CLOSE,
            responses=0,
            replies=replies(*begun, Do.HANG),
        ),
        ask(
            "given up in its body",
            "6.4",
            unfinished,
            Upon(1, 1),
            rst(1, 8),
            responses=0,
            replies=replies(*begun, Do.HANG, early=True),
        ),
        ask(
            "malformed in its body",
            "8.1",
            unfinished,
            Upon(1, 1),
            trailers((":path", "/")),
            replies=replies(*begun, Do.HANG, early=True),
        ),
    )


def own() -> tuple[Case, ...]:
    """What the proxy answers itself, its retries and its time limits."""

    def at(name: str, path: str, method: str = "GET", authority: str = "own.http2") -> Case:
        return ask(name, "8.1", get(path=path, method=method, authority=authority))

    def again(name: str, *scripts: Step) -> Case:
        given = tuple(replies(step)[0] for step in scripts) + replies(*OK)
        return ask(f"retried: {name}", "8.7", get(authority="retries.http2"), replies=given, retried=True)

    return (
        at("no route", "/none"),
        at("a direct answer", "/direct"),
        at("a direct answer to HEAD", "/direct", "HEAD"),
        at("a direct answer without a body", "/empty"),
        at("no cluster", "/nothing"),
        at("a redirect", "/redirect"),
        ask(
            "more streams than are allowed",
            "5.1.2",
            settings((4, 0)),  # so none of them ends
            *(get(path="/direct", authority="own.http2", stream=at) for at in range(1, 2 * 1030, 2)),
            Do.SYNC,
            settings((4, 65535)),
            responses=1030,
        ),
        ask(
            "a direct answer before the end",
            "8.1",
            get(path="/direct", authority="own.http2", end=False),
            Upon(1, over=True),
        ),
        ask("a time limit", "8.1", get(authority="limits.http2"), replies=replies(Do.HANG)),
        ask(
            "a time limit in the answer",
            "8.1",
            get(authority="limits.http2"),
            replies=replies(answer("200"), Do.HANG),
        ),
        again("once refused", rst(None, 7)),
        again("twice refused", rst(None, 7), rst(None, 7)),
        again("three times refused", rst(None, 7), rst(None, 7), rst(None, 7)),
        again("reset", rst(None, 2)),
        again("closed", Do.CLOSE),
        again("GOAWAY", goaway(0)),
        again("503", answer("503", end=True)),
        again("malformed", answer("abc", end=True)),
    )


_ENDS = ends()
CASES = (*_ENDS, *from_http1(_ENDS), *own())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_http2_endings(case: Case, pair: Pair) -> None:
    await pair.check(case)
