"""gRPC: its four kinds of call, statuses, deadlines, retries, and what the proxy says itself.

Sources: gRPC's "PROTOCOL-HTTP2" and "http-grpc-status-mapping" pages.
"""

from __future__ import annotations

import pytest
from differ import http2_wire as wire
from differ.case import Case, Do, Hear, Step, Upon
from differ.http2_area import ORIGIN_HTTP2, area
from differ.http2_case import HTTP2, Field, answer, ask, body, get, replies, trailers
from differ.pair import Pair
from differ.resources import EMPTY, REFUSED, prefix, to

from mesh.model.http_filter import GrpcStats
from mesh.model.route import (
    DirectResponse,
    Fault,
    FaultAbort,
    Redirect,
    RetryPolicy,
    Route,
    RouteMatch,
    VirtualHost,
)

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

WORDS = ("cancelled", "deadline-exceeded", "internal", "resource-exhausted", "unavailable")


def retrying(word: str) -> Route:
    policy = RetryPolicy(1, (word,), base_interval_s=0.001, max_interval_s=0.002)
    return Route(prefix(f"/{word}"), to(ORIGIN_HTTP2, retry=policy))


ROUTES = (*map(retrying, (*WORDS, "5xx")), Route(RouteMatch(), to(ORIGIN_HTTP2)))
ABORTED, ABORTED_IN_GRPC = (Fault(abort=abort) for abort in (FaultAbort(100, 503), FaultAbort(100, None, 14)))
AREA = area(
    "grpc",
    VirtualHost("retries", ("retries.grpc",), ROUTES),
    VirtualHost(
        "own",
        ("own.grpc",),
        (
            Route(prefix("/direct200"), DirectResponse(200, b"direct")),
            Route(prefix("/direct403"), DirectResponse(403, b'no \xe9 % "way"\n')),
            Route(prefix("/direct503"), DirectResponse(503)),
            Route(prefix("/redirect"), Redirect(path="/there")),
            Route(prefix("/abort503"), to(ORIGIN_HTTP2), fault=ABORTED),
            Route(prefix("/abort-grpc"), to(ORIGIN_HTTP2), fault=ABORTED_IN_GRPC),
            Route(prefix("/refused"), to(REFUSED)),
            Route(prefix("/empty"), to(EMPTY)),
            Route(prefix("/limit"), to(ORIGIN_HTTP2, timeout_s=0.1)),
            Route(prefix("/nobody"), to("nobody")),
        ),
    ),
    filters=(GrpcStats(),),
)

TYPE = ("content-type", "application/grpc")
GOOD = ("grpc-status", "0")


def message(payload: bytes = b"hello", flag: int = 0) -> bytes:
    return bytes((flag,)) + len(payload).to_bytes(4) + payload


def call(
    *more: Field, path: str = "/echo.Echo/Say", authority: str = HTTP2, type_: str = TYPE[1], stream: int = 1
) -> wire.Frame:
    fields = ("content-type", type_), ("te", "trailers"), *more
    return get(*fields, path=path, method="POST", authority=authority, stream=stream, end=False)


def send(*messages: bytes, end: bool = True, stream: int = 1) -> wire.Frame:
    return wire.data(stream, b"".join(messages), end=end)


HEAD = answer("200", TYPE)


def said(*fields: Field) -> wire.Frame:
    return trailers(*fields, stream=None)


GOOD_ANSWER = HEAD, body(message(), end=False), said(GOOD)
UNARY: tuple[Step, ...] = (call(), send(message()))


def unary(name: str, *script: Step, client: tuple[Step, ...] = UNARY, **options: object) -> Case:
    return ask(name, "gRPC", *client, replies=replies(*script), **options)


def kinds() -> tuple[Case, ...]:
    part = message(b"x" * 20_000)
    return (
        unary("unary", *GOOD_ANSWER),
        unary(
            "unary, with metadata",
            answer("200", TYPE, ("x-a", "1"), ("bin-bin", "AAE")),
            body(message(), end=False),
            said(GOOD, ("x-b", "2")),
            client=(call(("x-c", "3"), ("auth-bin", "AAE=")), send(message())),
        ),
        unary(
            "unary, of nothing",
            HEAD,
            body(message(b""), end=False),
            said(GOOD),
            client=(call(), send(message(b""))),
        ),
        unary(
            "unary, of 20 kB",
            HEAD,
            body(part[:16384], end=False),
            body(part[16384:], end=False),
            said(GOOD),
            client=(call(), send(part[:16384], end=False), send(part[16384:])),
        ),
        unary(
            "unary, compressed",
            HEAD,
            body(message(flag=1), end=False),
            said(GOOD),
            client=(call(("grpc-encoding", "gzip")), send(message(flag=1))),
        ),
        unary(
            "unary, two at once",
            *GOOD_ANSWER,
            responses=2,
            client=(
                call(path="/a/1"),
                call(path="/a/2", stream=3),
                send(message(), stream=3),
                send(message()),
            ),
        ),
        unary("server streaming", HEAD, *(body(message(), end=False),) * 5, said(GOOD)),
        unary("server streaming, all in one", HEAD, body(message() * 5, end=False), said(GOOD)),
        unary(
            "server streaming, byte by byte",
            HEAD,
            *(body(message()[at : at + 1], end=False) for at in range(10)),
            said(GOOD),
        ),
        unary("client streaming", *GOOD_ANSWER, client=(call(), *(send(message(), end=False),) * 5, send())),
        unary(
            "client streaming, byte by byte",
            *GOOD_ANSWER,
            client=(call(), *(send(message()[at : at + 1], end=False) for at in range(10)), send()),
        ),
        ask(
            "bidirectional",
            "gRPC",
            call(),
            send(message(), end=False),
            Upon(1, 10),
            send(message(), end=False),
            Upon(1, 20),
            send(),
            replies=replies(
                HEAD,
                Hear(10),
                body(message(), end=False),
                Hear(20),
                body(message(), end=False),
                said(GOOD),
                early=True,
            ),
        ),
        ask(
            "bidirectional, the server first",
            "gRPC",
            call(),
            Upon(1, 10),
            send(message()),
            replies=replies(HEAD, body(message(), end=False), Hear(10), said(GOOD), early=True),
        ),
        ask(
            "half a message",
            "gRPC",
            call(),
            send(message()[:7]),
            replies=replies(HEAD, body(message()[:3], end=False), said(GOOD)),
        ),
        ask("no message", "gRPC", call(), send(), replies=replies(HEAD, said(GOOD))),
        ask(
            "no end of the stream of its own",
            "gRPC",
            get(TYPE, ("te", "trailers"), method="POST", authority=HTTP2),
            replies=replies(*GOOD_ANSWER),
        ),
        ask(
            "without te",
            "gRPC",
            get(TYPE, method="POST", authority=HTTP2, end=False),
            send(message()),
            replies=replies(*GOOD_ANSWER),
        ),
        ask("GET", "gRPC", get(TYPE, ("te", "trailers"), authority=HTTP2), replies=replies(*GOOD_ANSWER)),
    )


def statuses() -> tuple[Case, ...]:
    """Of a call that went through, in trailers or alone; and of one that was answered as no call is."""

    def alone(*fields: Field, status: str = "200") -> wire.Frame:
        return answer(status, *fields, end=True)

    return (
        *(
            unary(f"status {code}", HEAD, said(("grpc-status", str(code)), ("grpc-message", "why")))
            for code in range(17)
        ),
        *(unary(f"status {code} alone", alone(TYPE, ("grpc-status", str(code)))) for code in range(17)),
        unary("status 17", HEAD, said(("grpc-status", "17"))),
        unary("status 17 alone", alone(TYPE, ("grpc-status", "17"))),
        unary("status -1", HEAD, said(("grpc-status", "-1"))),
        unary("status abc", HEAD, said(("grpc-status", "abc"))),
        unary("an empty status", HEAD, said(("grpc-status", ""))),
        unary("two statuses", HEAD, said(("grpc-status", "0"), ("grpc-status", "5"))),
        unary("a status in both", answer("200", TYPE, ("grpc-status", "5")), said(("grpc-status", "7"))),
        unary("a status in the head, and a body", answer("200", TYPE, ("grpc-status", "5")), body(message())),
        unary("no status", HEAD, body(message())),
        unary("no status, and trailers", HEAD, body(message(), end=False), said(("x-a", "1"))),
        unary("no status, alone", alone(TYPE)),
        *(
            unary(f"HTTP {status}", answer(status), body(b"no"))
            for status in (
                "200",
                "204",
                "302",
                "400",
                "401",
                "403",
                "404",
                "408",
                "429",
                "500",
                "502",
                "503",
                "504",
                "505",
            )
        ),
        unary("HTTP 404 of gRPC", answer("404", TYPE), body(b"no")),
        unary("HTTP 503 with a status", alone(TYPE, ("grpc-status", "7"), status="503")),
        unary("another type", answer("200", ("content-type", "text/html")), body(b"<p>")),
        *(
            unary(f"type {kind}", *GOOD_ANSWER, client=(call(type_=kind), send(message())))
            for kind in (
                "application/grpc+proto",
                "application/grpc+json",
                "application/grpc;charset=utf-8",
                "application/grpc-web",
                "application/grpcx",
                "Application/gRPC",
                "application/grpc+",
                "application/grpc ",
                "text/plain",
            )
        ),
    )


def ends() -> tuple[Case, ...]:
    """Deadlines, cancellation, resets."""

    def limited(name: str, value: str, *script: Step) -> Case:
        client = call(("grpc-timeout", value)), send(message())
        return unary(f"grpc-timeout: {value}{name}", *(script or GOOD_ANSWER), client=client)

    begun = HEAD, body(message(), end=False), Do.SYNC
    codes = enumerate(wire.CODES)
    return (
        *(
            limited("", value)
            for value in (
                "1H",
                "1M",
                "10S",
                "10000m",
                "10000000u",
                "99999999n",
                "100000000n",
                "1",
                "S",
                "-1S",
                "1.5S",
                "10s",
                "",
            )
        ),
        limited(", and it is over", "100m", Do.HANG),
        limited(", and it is over in the answer", "100m", *begun, Do.HANG),
        ask(
            "a deadline without gRPC",
            "gRPC",
            get(("grpc-timeout", "50m"), authority=HTTP2),
            replies=replies(Do.HANG),
        ),
        unary("given up", *begun, Do.HANG, client=(*UNARY, Upon(1, 1), wire.rst(1, 8)), responses=0),
        unary(
            "given up while it asks",
            *begun,
            Do.HANG,
            client=(call(), send(message(), end=False), Do.SYNC, wire.rst(1, 8)),
            responses=0,
        ),
        unary("left", *begun, Do.HANG, client=(*UNARY, Upon(1, 1), Do.CLOSE), responses=0),
        *(unary(f"reset with {name}", wire.rst(None, code)) for code, name in codes),
        unary("reset in the answer", *begun, wire.rst(None, 2)),
        unary("closed", Do.CLOSE),
        unary("closed in the answer", *begun, Do.CLOSE),
        unary("malformed", answer("abc", end=True)),
    )


def own() -> tuple[Case, ...]:
    """What the proxy says itself: a gRPC client reads no HTTP status."""
    paths = (
        "direct200",
        "direct403",
        "direct503",
        "redirect",
        "abort503",
        "abort-grpc",
        "refused",
        "empty",
        "limit",
        "nobody",
        "none",
    )
    return tuple(
        unary(
            f"own: {path}",
            Do.HANG,
            client=(get(TYPE, ("te", "trailers"), path=f"/{path}", method="POST", authority="own.grpc"),),
        )
        for path in paths
    )


def retries() -> tuple[Case, ...]:
    numbers = {
        "cancelled": 1,
        "deadline-exceeded": 4,
        "internal": 13,
        "resource-exhausted": 8,
        "unavailable": 14,
    }

    def failing(name: str, first: tuple[Step, ...], *more: Field, path: str = "/none") -> Case:
        given = replies(*first) + replies(*GOOD_ANSWER)
        client = call(*more, path=path, authority="retries.grpc"), send(message())
        return ask(f"retries: {name}", "gRPC", *client, replies=given, retried=True)

    def status(code: int) -> tuple[Step, ...]:
        return (answer("200", TYPE, ("grpc-status", str(code)), end=True),)

    asked = ("x-envoy-retry-grpc-on", "unavailable,internal"), ("x-envoy-max-retries", "1")
    return (
        *(failing(word, status(code), path=f"/{word}") for word, code in numbers.items()),
        *(failing(f"{word} is not 5", status(5), path=f"/{word}") for word in numbers),
        failing("unavailable in trailers", (HEAD, said(("grpc-status", "14"))), path="/unavailable"),
        failing("unavailable, HTTP 503", (answer("503", end=True),), path="/unavailable"),
        failing("5xx, unavailable", status(14), path="/5xx"),
        failing("5xx, HTTP 503", (answer("503", end=True),), path="/5xx"),
        failing("asked for", status(14), *asked),
        failing("asked for, another", status(8), *asked),
    )


CASES = (*kinds(), *statuses(), *ends(), *own(), *retries())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_grpc(case: Case, pair: Pair) -> None:
    await pair.check(case)
