"""Time limits, retries, injected faults, upstreams that fail: the status, the flag, the attempts."""

from __future__ import annotations

import pytest
from differ.case import OK, Case, Do, Pause, Reply, case, get, reply
from differ.pair import Pair
from differ.resources import EMPTY, FRESH, REFUSED, Area, Ports, cluster, prefix, to

from mesh.model.cluster import CircuitBreaker, Cluster
from mesh.model.route import Fault, FaultAbort, FaultDelay, RetryPolicy, Route, VirtualHost

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

ISTIO = ("connect-failure", "refused-stream", "unavailable", "cancelled", "retriable-status-codes")
MIXED = "outbound|9083||mixed.default.svc.cluster.local"
FULL = "outbound|9084||full.default.svc.cluster.local"


def retry(*words: str, attempts: int = 2, **options: object) -> RetryPolicy:
    quick = {"base_interval_s": 0.001, "max_interval_s": 0.002}
    return RetryPolicy(attempts, words, **(quick | options))  # type: ignore[arg-type]


def clusters(ports: Ports) -> tuple[Cluster, ...]:
    return (
        cluster(MIXED, ports.refused, ports.origin, max_requests_per_connection=1),
        cluster(FULL, ports.origin, circuit_breaker=CircuitBreaker(max_requests=0, max_pending_requests=0)),
    )


def route(path: str, name: str = FRESH, fault: Fault | None = None, **options: object) -> Route:
    return Route(prefix(path), to(name, **options), fault=fault)


def delay(seconds: float, percentage: float = 100.0) -> FaultDelay:
    return FaultDelay(percentage, seconds)


ROUTES = (
    route("/timeout", timeout_s=0.15),
    route("/refused", REFUSED),
    route("/empty", EMPTY),
    route("/full", FULL),
    route("/missing", "nowhere"),
    route("/istio-503", retry=retry(*ISTIO, retriable_status_codes=(503,))),
    route("/istio-refused", REFUSED, retry=retry(*ISTIO)),
    route("/istio-mixed", MIXED, retry=retry(*ISTIO)),
    route("/istio-empty", EMPTY, retry=retry(*ISTIO)),
    route("/istio", retry=retry(*ISTIO)),
    route("/5xx", retry=retry("5xx")),
    route("/once-5xx", retry=retry("5xx", attempts=1)),
    route("/gateway", retry=retry("gateway-error")),
    route("/reset", retry=retry("reset")),
    route("/before", retry=retry("reset-before-request")),
    route("/connect", retry=retry("connect-failure")),
    route("/4xx", retry=retry("retriable-4xx")),
    route("/codes", retry=retry("retriable-status-codes", retriable_status_codes=(418, 500))),
    route("/unavailable", retry=retry("unavailable")),
    route("/try-reset", retry=retry("reset", attempts=1, per_try_timeout_s=0.15)),
    route("/try-whole", timeout_s=0.2, retry=retry("5xx", attempts=5, per_try_timeout_s=0.12)),
    route("/try", retry=retry("5xx", attempts=1, per_try_timeout_s=0.15)),
    route("/none", retry=retry("5xx", attempts=0)),
    route("/abort-never", fault=Fault(abort=FaultAbort(0.0, 555))),
    route("/abort-retried", fault=Fault(abort=FaultAbort(100.0, 503)), retry=retry("5xx")),
    route("/abort", fault=Fault(abort=FaultAbort(100.0, 555))),
    route("/delay-abort", fault=Fault(delay(0.05), FaultAbort(100.0, 418))),
    route("/delay-timeout", fault=Fault(delay(0.1)), timeout_s=0.05),
    route("/delay-never", fault=Fault(delay(5.0, 0.0))),
    route("/delay", fault=Fault(delay(0.05))),
    route("/", FRESH),
)
AREA = Area("resilience", (VirtualHost("any", ("*",), ROUTES),), clusters=clusters)


def status(code: int, *fields: str) -> Reply:
    lines = (f"HTTP/1.1 {code} X", "content-length: 0", *fields, "", "")
    return reply("\r\n".join(lines).encode())


def ask(
    name: str, path: str, *replies: Reply, method: str = "GET", body: bytes = b"", lines: tuple[str, ...] = ()
) -> Case:
    request = get(path, *lines, method=method, body=body)
    return case(name, "resilience", request, replies=replies or (OK,), retried=True)


HALF = reply(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Do.HANG)
LATE = reply(Pause(0.4), *OK.steps)
SILENT = reply(Do.HANG)
GONE = reply(Do.CLOSE)
RESET = reply(Do.RESET)

INSIDE = "x-forwarded-for: 127.0.0.1"

CASES = (
    ask("in time", "/timeout"),
    ask("too late", "/timeout", SILENT),
    ask("too late, with a body", "/timeout", SILENT, method="POST", body=b"hello"),
    ask("too late in the body", "/timeout", HALF),
    ask("too late, HEAD", "/timeout", SILENT, method="HEAD"),
    ask("no time limit", "/", LATE),
    ask("client shortens the limit", "/timeout", LATE, lines=(INSIDE, "x-envoy-upstream-rq-timeout-ms: 50")),
    ask("client lengthens it", "/timeout", LATE, lines=(INSIDE, "x-envoy-upstream-rq-timeout-ms: 5000")),
    ask("a stranger lengthens it", "/timeout", LATE, lines=("x-envoy-upstream-rq-timeout-ms: 5000",)),
    ask("refused", "/refused"),
    ask("refused, with a body", "/refused", method="POST", body=b"hello"),
    ask("nobody there", "/empty"),
    ask("nobody there, HEAD", "/empty", method="HEAD"),
    ask("no such cluster", "/missing"),
    ask("full", "/full"),
    ask("closed before the answer", "/", GONE),
    ask("reset before the answer", "/", RESET),
    ask("closed before the answer to POST", "/", GONE, method="POST", body=b"hello"),
    ask("istio: 503 is passed on", "/istio", status(503)),
    ask("istio: closed is passed on", "/istio", GONE),
    ask("istio: reset is passed on", "/istio", RESET),
    ask("istio: 503 is retriable", "/istio-503", status(503), OK),
    ask("istio: 503 again and again", "/istio-503", status(503)),
    ask("istio: POST is retried on 503", "/istio-503", status(503), OK, method="POST", body=b"hello"),
    ask("istio: refused", "/istio-refused"),
    ask("istio: POST refused", "/istio-refused", method="POST", body=b"hello"),
    ask("istio: one of two refuses", "/istio-mixed"),
    ask("istio: nobody there", "/istio-empty"),
    ask("5xx: 500, then 200", "/5xx", status(500), OK),
    ask("5xx: 500, 502, then 200", "/5xx", status(500), status(502), OK),
    ask("5xx: three times 500", "/5xx", status(500)),
    ask("5xx: 404", "/5xx", status(404)),
    ask("5xx: closed, then 200", "/5xx", GONE, OK),
    ask("5xx: reset, then 200", "/5xx", RESET, OK),
    ask("5xx: closed again and again", "/5xx", GONE),
    ask("5xx: garbage, then 200", "/5xx", reply(b"garbage\r\n\r\n"), OK),
    ask("5xx: half a head, then 200", "/5xx", reply(b"HTTP/1.1 20", Do.CLOSE), OK),
    ask("5xx: half a body", "/5xx", reply(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf", Do.CLOSE)),
    ask(
        "5xx: 503 with a body, then 200",
        "/5xx",
        reply(b"HTTP/1.1 503 X\r\ncontent-length: 4\r\n\r\nbusy"),
        OK,
    ),
    ask(
        "5xx: 503 without end, then 200",
        "/5xx",
        reply(b"HTTP/1.1 503 X\r\ncontent-length: 9\r\n\r\nbu", Do.HANG),
        OK,
    ),
    ask("5xx: POST", "/5xx", status(500), OK, method="POST", body=b"hello"),
    ask("5xx: x-envoy-overloaded is not retried", "/5xx", status(503, "x-envoy-overloaded: true")),
    ask("once: two 500", "/once-5xx", status(500)),
    ask("no attempt: 500", "/none", status(500)),
    ask("gateway-error: 502, 504, then 200", "/gateway", status(502), status(504), OK),
    ask("gateway-error: 500", "/gateway", status(500)),
    ask("gateway-error: closed, then 200", "/gateway", GONE, OK),
    ask("reset: closed, then 200", "/reset", GONE, OK),
    ask("reset: reset, then 200", "/reset", RESET, OK),
    ask("reset: 500", "/reset", status(500)),
    ask("reset: POST closed, then 200", "/reset", GONE, OK, method="POST", body=b"hello"),
    ask("reset-before-request: closed", "/before", GONE, OK),
    ask("connect-failure: closed", "/connect", GONE, OK),
    ask("retriable-4xx: 409, then 200", "/4xx", status(409), OK),
    ask("retriable-4xx: 404", "/4xx", status(404)),
    ask("status codes: 418, 500, then 200", "/codes", status(418), status(500), OK),
    ask("status codes: 503", "/codes", status(503)),
    ask(
        "unavailable: gRPC 14 in the head",
        "/unavailable",
        status(200, "content-type: application/grpc", "grpc-status: 14"),
        OK,
    ),
    ask("per try: silent, then 200", "/try", SILENT, OK),
    ask("per try: silent twice", "/try", SILENT),
    ask("per try: reset does not say so", "/try-reset", SILENT, OK),
    ask("per try: until the whole limit", "/try-whole", SILENT),
    ask(
        "client asks for a retry",
        "/",
        status(500),
        OK,
        lines=(INSIDE, "x-envoy-retry-on: 5xx", "x-envoy-max-retries: 1"),
    ),
    ask(
        "client asks for more retries",
        "/once-5xx",
        status(500),
        lines=(
            INSIDE,
            "x-envoy-max-retries: 3",
        ),
    ),
    ask(
        "client asks for status codes",
        "/",
        status(418),
        OK,
        lines=(INSIDE, "x-envoy-retry-on: retriable-status-codes", "x-envoy-retriable-status-codes: 418"),
    ),
    ask("abort", "/abort"),
    ask("abort, with a body", "/abort", method="POST", body=b"hello"),
    ask("abort HEAD", "/abort", method="HEAD"),
    ask("abort of 0 %", "/abort-never"),
    ask("abort is not retried", "/abort-retried"),
    ask("delay", "/delay"),
    ask("delay, with a body", "/delay", method="POST", body=b"hello"),
    ask("delay, then abort", "/delay-abort"),
    ask("delay is not part of the time limit", "/delay-timeout"),
    ask("delay of 0 %", "/delay-never"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_resilience(case: Case, pair: Pair) -> None:
    await pair.check(case)
