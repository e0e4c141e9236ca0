"""Local rate limits: which request is refused, and how. Each case has its own bucket, which never refills."""

from __future__ import annotations

import pytest
from differ.case import Case, Do, case, get, reply
from differ.pair import Pair
from differ.resources import ORIGIN, Area, any_host, prefix, to

from mesh.model.rate_limit import LocalRateLimit, TokenBucket
from mesh.model.route import DirectResponse, Fault, FaultAbort, Redirect, RetryPolicy, Route

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

GRPC = "content-type: application/grpc"
SERVED = reply(
    b"HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: 0\r\ncontent-length: 0\r\n\r\n"
)


def limit(tokens: int, **rules: object) -> LocalRateLimit:
    return LocalRateLimit("x", TokenBucket(tokens, 1, 3600.0 * 24 * 365), **rules)  # type: ignore[arg-type]


def route(path: str, rules: LocalRateLimit, **options: object) -> Route:
    return Route(prefix(path), to(ORIGIN), rate_limit=rules, **options)  # type: ignore[arg-type]


PATHS = ("/two", "/post", "/head", "/grpc", "/close")
ROUTES = (
    *(route(path, limit(1)) for path in PATHS),
    route("/exhausted", limit(1, resource_exhausted=True)),
    route("/status", limit(1, status=503)),
    route("/low", limit(1, status=200)),
    route("/fields", limit(1, response_headers=(("x-a", "b"), ("X-Envoy-RateLimited", "true"), ("x-e", "")))),
    route("/overwrites", limit(1, response_headers=(("content-type", "a/b"), ("server", "me")))),
    route("/counted", limit(1, enforced=0)),
    route("/disabled", limit(1, enabled=0)),
    route("/fault", limit(1), fault=Fault(abort=FaultAbort(100.0, 555))),
    Route(prefix("/retry"), to(ORIGIN, retry=RetryPolicy(2, ("5xx", "retriable-4xx"))), rate_limit=limit(1)),
    Route(prefix("/direct"), DirectResponse(200, b"direct"), rate_limit=limit(1)),
    Route(prefix("/redirect"), Redirect(301, host="b"), rate_limit=limit(1)),
    Route(prefix("/"), to(ORIGIN)),
)
AREA = Area("rate limit", any_host(*ROUTES))


def asked(name: str, request: bytes, times: int = 3, **options: object) -> Case:
    steps = (request, Do.WAIT) * (times - 1)
    return case(name, "rate limit", *steps, request, responses=times, **options)


CASES = (
    asked("one token", get("/two")),
    asked("with a body", get("/post", method="POST", body=b"hello"), 2),
    asked("HEAD", get("/head", method="HEAD"), methods=("HEAD",) * 3),
    asked("gRPC", get("/grpc", GRPC), replies=(SERVED,)),
    asked("gRPC, exhausted", get("/exhausted", GRPC), replies=(SERVED,)),
    asked("another status", get("/status")),
    asked("a status that is no error", get("/low")),
    asked("response headers", get("/fields")),
    asked("response headers that are there", get("/overwrites")),
    asked("not enforced", get("/counted")),
    asked("not enabled", get("/disabled")),
    asked("before the fault", get("/fault")),
    asked("not retried", get("/retry")),
    asked("of a direct response", get("/direct")),
    asked("of a redirect", get("/redirect")),
    asked("without a limit", get("/other")),
    case(
        "and the connection may end",
        "rate limit",
        *(get("/close"), Do.WAIT, get("/close", "connection: close")),
        responses=2,
    ),
)


@pytest.mark.parametrize("one", CASES, ids=lambda one: one.name)
async def test_as_envoy(pair: Pair, one: Case) -> None:
    await pair.check(one)
