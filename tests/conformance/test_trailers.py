"""Trailers of HTTP/1.1 (RFC 9110 section 6.5), passed on where both sides are told to."""

from __future__ import annotations

import pytest
from differ.case import Case, case, get, reply
from differ.pair import Pair
from differ.resources import ORIGIN, Area, Ports, cluster, prefix, to

from mesh.model.cluster import Cluster
from mesh.model.route import DirectResponse, Route, RouteMatch, VirtualHost

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

TRAILING = "outbound|9080|trailing|origin.default.svc.cluster.local"


def clusters(ports: Ports) -> tuple[Cluster, ...]:
    return (cluster(TRAILING, ports.origin, enable_trailers=True),)


AREA = Area(
    "trailers",
    (
        VirtualHost(
            "any",
            ("*",),
            (
                Route(prefix("/dropped"), to(ORIGIN)),
                Route(prefix("/direct"), DirectResponse(200, b"direct")),
                Route(RouteMatch(), to(TRAILING)),
            ),
        ),
    ),
    clusters=clusters,
    manager={"enable_trailers": True},
)


def post(path: str, *trailers: str, body: bytes = b"3\r\nabc\r\n", lines: tuple[str, ...] = ()) -> bytes:
    head = get(path, "transfer-encoding: chunked", *lines, method="POST")
    return head + body + "".join(f"{line}\r\n" for line in ("0", *trailers, "")).encode()


def chunked(*trailers: str, body: bytes = b"2\r\nok\r\n", lines: str = "") -> bytes:
    head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n" + lines.encode() + b"\r\n"
    return head + body + "".join(f"{line}\r\n" for line in ("0", *trailers, "")).encode()


def ask(name: str, *client: bytes, **options: object) -> Case:
    return case(name, "RFC 9110 6.5", *client, **options)  # type: ignore[arg-type]


ANNOUNCED = "trailer: x-sum\r\n"
CASES = (
    ask("of a request", post("/", "x-sum: 1")),
    ask("several, one of them twice", post("/", "x-a: 1", "X-B: 2", "x-a: 3")),
    ask("announced", post("/", "x-sum: 1", lines=("trailer: x-sum", "te: trailers"))),
    ask("without a body", post("/", "x-sum: 1", body=b"")),
    ask("none", post("/")),
    ask("in pieces", post("/", "x-sum: 1")[:-9], b"sum: 1\r\n", b"\r\n"),
    ask("before another request", post("/", "x-sum: 1") + post("/2", "x-sum: 2"), responses=2),
    ask("to a cluster that drops them", post("/dropped", "x-sum: 1")),
    ask("of an answer", get(), replies=(reply(chunked("x-sum: 1")),)),
    ask("of an answer, in pieces", get(), replies=(reply(chunked("x-sum: 1")[:-9], b"sum: 1\r\n", b"\r\n"),)),
    ask("of an answer that is dropped", get("/dropped"), replies=(reply(chunked("x-sum: 1")),)),
    ask("of an answer without a body", get(), replies=(reply(chunked("x-sum: 1", body=b"")),)),
    ask("of an answer to HTTP/1.0", get().replace(b"1.1", b"1.0"), replies=(reply(chunked("x-sum: 1")),)),
    ask("both ways", post("/", "x-sum: 1"), replies=(reply(chunked("x-sum: 2", lines=ANNOUNCED)),)),
    ask("to a direct answer", post("/direct", "x-sum: 1")),
    ask("that frame", post("/", "content-length: 5", "transfer-encoding: gzip", "host: evil", "x-sum: 1")),
    ask("with a bad name", post("/", "x sum: 1")),
    ask("with a folded line", post("/", "x-sum: 1", " folded")),
    ask("of 100 kB", post("/", "x-sum: " + "1" * 100_000)),
    ask("101 of them", post("/", *(f"x-{number}: 1" for number in range(101)))),
)  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_trailers(case: Case, pair: Pair) -> None:
    await pair.check(case)
