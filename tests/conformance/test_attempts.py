"""What an outbound listener tells the upstream about attempts."""

from __future__ import annotations

import pytest
from differ.case import OK, Case, case, get, reply
from differ.pair import Pair
from differ.resources import FRESH, Area, prefix, to

from mesh.model.route import RetryPolicy, Route, VirtualHost

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

POLICY = RetryPolicy(2, ("5xx",), base_interval_s=0.001, max_interval_s=0.002)
ROUTES = (Route(prefix("/"), to(FRESH, retry=POLICY)),)
AREA = Area(
    "attempts",
    (
        VirtualHost("silent", ("silent.test",), ROUTES),
        VirtualHost("any", ("*",), ROUTES, include_attempt_count=True),
    ),
)
BUSY = reply(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n")
ABOUT = "Envoy's include_request_attempt_count"

CASES = (
    case("the first attempt", ABOUT, get("/")),
    case("the second attempt", ABOUT, get("/"), replies=(BUSY, OK), retried=True),
    case("a host that does not count", ABOUT, get("/", host="silent.test")),
    case("the client's own count", ABOUT, get("/", "x-envoy-attempt-count: 7")),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_attempts(case: Case, pair: Pair) -> None:
    await pair.check(case)
