"""Clients that take their time, and HTTP/1.0 where it is not taken."""

from __future__ import annotations

import pytest
from differ.case import Case, Do, Pause, case, get
from differ.pair import Pair
from differ.resources import Area, any_host, to

from mesh.model.route import Route, RouteMatch

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

AREA = Area(
    "slow clients",
    any_host(Route(RouteMatch(), to())),
    manager={"request_headers_timeout_s": 0.4, "accept_http_10": False},
)
REQUEST = get("/a", "x-a: b")
SLOW = REQUEST[:9], Pause(0.3), REQUEST[9:]
BYTE_BY_BYTE = [step for byte in REQUEST for step in (bytes((byte,)), Pause(0.03))]


def ask(name: str, *client: object, about: str = "request_headers_timeout") -> Case:
    return case(name, about, *client)  # type: ignore[arg-type]


CASES = (
    ask("a head in two pieces, in time", REQUEST[:20], Pause(0.2), REQUEST[20:]),
    ask("a head that stops", REQUEST[:20], Pause(0.7)),
    ask("a head that stops in its first line", b"GET", Pause(0.7)),
    ask(
        "a head that comes byte by byte",
        *(step for byte in REQUEST for step in (bytes((byte,)), Pause(0.03))),
    ),
    ask("nothing, for long", Pause(0.7), REQUEST),
    ask("a head that stops, after a request", REQUEST, Do.WAIT, REQUEST[:20], Pause(0.7)),
    ask(
        "two slow heads", REQUEST[:9], Pause(0.3), REQUEST[9:], Do.WAIT, REQUEST[:9], Pause(0.3), REQUEST[9:]
    ),
    ask("a body that comes late", get("/b", "content-length: 2", method="POST"), Pause(0.7), b"ok"),
    ask("HTTP/1.0", b"GET / HTTP/1.0\r\nhost: a\r\n\r\n", about="accept_http_10"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_slow_clients(case: Case, pair: Pair) -> None:
    await pair.check(case)
