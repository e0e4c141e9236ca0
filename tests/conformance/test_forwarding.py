"""The fields a proxy adds and takes off on the way: x-forwarded-*, x-request-id, x-envoy-*, XFCC."""

from __future__ import annotations

import pytest
from differ.case import Case, case, get, reply
from differ.pair import Pair
from differ.resources import Area, any_host, prefix, to

from mesh.model.route import Route

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

AREA = Area("forwarding", any_host(Route(prefix("/timeout"), to(timeout_s=5.0)), Route(prefix("/"), to())))
ID = "11111111-2222-4333-8444-555555555555"


def sends(name: str, *lines: str, path: str = "/") -> Case:
    return case(name, "Envoy's HTTP header manipulation", get(path, *lines))


def answers(name: str, *lines: str) -> Case:
    head = "\r\n".join(("HTTP/1.1 200 OK", "content-length: 2", *lines, "", ""))
    return case(name, "Envoy's HTTP header manipulation", get("/"), replies=(reply(head.encode() + b"ok"),))


WISHES_AND_OTHERS = (
    ("nothing",),
    ("internal", "x-envoy-internal: false"),
    ("a trace", "x-envoy-force-trace: true"),
    ("tags", "x-envoy-ip-tags: x"),
    ("another name", "x-envoy-upstream-alt-stat-name: x"),
    ("another answer", "x-envoy-upstream-rq-timeout-alt-response: 1"),
    ("a time limit", "x-envoy-upstream-rq-timeout-ms: 5000"),
    ("a limit for a try", "x-envoy-upstream-rq-per-try-timeout-ms: 4000"),
    ("an expected limit", "x-envoy-expected-rq-timeout-ms: 9"),
    ("a duration", "x-envoy-upstream-stream-duration-ms: 4000"),
    ("an original URL", "x-envoy-original-url: /x"),
    ("retries", "x-envoy-retry-on: reset", "x-envoy-max-retries: 1"),
    ("gRPC retries", "x-envoy-retry-grpc-on: unavailable"),
    ("status codes", "x-envoy-retriable-status-codes: 418"),
    ("header names", "x-envoy-retriable-header-names: x-a"),
    ("hedging", "x-envoy-hedge-on-per-try-timeout: true"),
)


def inside(name: str, *lines: str) -> Case:
    return sends(f"inside, {name}", "x-forwarded-for: 127.0.0.1", *lines, path="/timeout")


CASES = (
    sends("nothing"),
    sends("x-forwarded-for", "x-forwarded-for: 10.0.0.1, 10.0.0.2"),
    sends("x-forwarded-for twice", "x-forwarded-for: 10.0.0.1", "x-forwarded-for: 10.0.0.2"),
    sends("x-forwarded-proto https", "x-forwarded-proto: https"),
    sends("x-forwarded-proto in capitals", "x-forwarded-proto: HTTPS"),
    sends("x-forwarded-proto of another kind", "x-forwarded-proto: gopher"),
    sends("x-forwarded-proto empty", "x-forwarded-proto:"),
    sends("x-forwarded-proto twice", "x-forwarded-proto: http", "x-forwarded-proto: https"),
    sends("x-forwarded-host", "x-forwarded-host: elsewhere"),
    sends("x-forwarded-port", "x-forwarded-port: 443"),
    sends("forwarded", "forwarded: for=10.0.0.1;proto=https"),
    sends("x-real-ip", "x-real-ip: 10.0.0.1"),
    sends("x-request-id", f"x-request-id: {ID}"),
    sends("x-request-id that is no UUID", "x-request-id: abc"),
    sends("x-request-id empty", "x-request-id:"),
    sends("x-forwarded-client-cert", "x-forwarded-client-cert: By=spiffe://evil;URI=spiffe://root"),
    sends("x-envoy-internal", "x-envoy-internal: true"),
    sends("x-envoy-external-address", "x-envoy-external-address: 10.0.0.1"),
    sends("x-envoy-downstream-service-cluster", "x-envoy-downstream-service-cluster: me"),
    sends("x-envoy-downstream-service-node", "x-envoy-downstream-service-node: me"),
    sends("x-envoy-original-path", "x-envoy-original-path: /x"),
    sends("x-envoy-original-host", "x-envoy-original-host: x"),
    sends("x-envoy-original-dst-host", "x-envoy-original-dst-host: 10.0.0.1:80"),
    sends("x-envoy-attempt-count", "x-envoy-attempt-count: 7"),
    sends("x-envoy-retry-on", "x-envoy-retry-on: reset", "x-envoy-max-retries: 1"),
    sends("x-envoy-retry-grpc-on", "x-envoy-retry-grpc-on: unavailable"),
    sends("x-envoy-retriable-status-codes", "x-envoy-retriable-status-codes: 418"),
    sends("x-envoy-retriable-header-names", "x-envoy-retriable-header-names: x-a"),
    sends("x-envoy-hedge-on-per-try-timeout", "x-envoy-hedge-on-per-try-timeout: true"),
    sends("x-envoy-upstream-alt-stat-name", "x-envoy-upstream-alt-stat-name: x"),
    sends("x-envoy-upstream-rq-timeout-alt-response", "x-envoy-upstream-rq-timeout-alt-response: 1"),
    sends("x-envoy-upstream-rq-timeout-ms", "x-envoy-upstream-rq-timeout-ms: 5000"),
    sends(
        "x-envoy-upstream-rq-timeout-ms under a limit",
        "x-envoy-upstream-rq-timeout-ms: 4000",
        path="/timeout",
    ),
    sends(
        "x-envoy-upstream-rq-timeout-ms that is no number",
        "x-envoy-upstream-rq-timeout-ms: x",
        path="/timeout",
    ),
    sends(
        "x-envoy-upstream-rq-per-try-timeout-ms",
        "x-envoy-upstream-rq-per-try-timeout-ms: 4000",
        path="/timeout",
    ),
    sends("x-envoy-upstream-stream-duration-ms", "x-envoy-upstream-stream-duration-ms: 4000"),
    sends("x-envoy-expected-rq-timeout-ms", "x-envoy-expected-rq-timeout-ms: 9", path="/timeout"),
    sends("expected time limit", path="/timeout"),
    sends("x-envoy-decorator-operation", "x-envoy-decorator-operation: x"),
    sends("x-envoy-force-trace", "x-envoy-force-trace: true"),
    sends("x-envoy-ip-tags", "x-envoy-ip-tags: x"),
    sends("x-envoy-overloaded", "x-envoy-overloaded: true"),
    sends("x-client-trace-id", "x-client-trace-id: x"),
    sends(
        "traceparent",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate: a=b",
    ),
    sends("b3", "x-b3-traceid: 1", "x-b3-spanid: 2", "x-b3-sampled: 1"),
    sends("baggage", "baggage: a=b"),
    sends("authorization", "authorization: Bearer x"),
    sends("user-agent", "user-agent: curl/8"),
    sends("accept-encoding", "accept-encoding: gzip, br"),
    *(inside(*one) for one in WISHES_AND_OTHERS),
    sends("two addresses", "x-forwarded-for: 127.0.0.1, 127.0.0.2", "x-envoy-force-trace: true"),
    sends("an address outside", "x-forwarded-for: 8.8.8.8", "x-envoy-force-trace: true"),
    sends("no address", "x-forwarded-for: unknown", "x-envoy-force-trace: true"),
    answers("x-envoy-upstream-service-time of the origin", "x-envoy-upstream-service-time: 5"),
    answers("x-envoy-decorator-operation of the origin", "x-envoy-decorator-operation: x"),
    answers("x-envoy-attempt-count of the origin", "x-envoy-attempt-count: 5"),
    answers(
        "x-envoy-upstream-healthchecked-cluster of the origin", "x-envoy-upstream-healthchecked-cluster: x"
    ),
    answers("x-envoy-immediate-health-check-fail", "x-envoy-immediate-health-check-fail: true"),
    answers("x-envoy-degraded", "x-envoy-degraded: true"),
    answers("x-envoy-ratelimited", "x-envoy-ratelimited: true"),
    answers("x-request-id of the origin", f"x-request-id: {ID}"),
    answers("via of the origin", "via: 1.1 x"),
    answers("server of the origin", "server: mine"),
    answers("alt-svc of the origin", 'alt-svc: h3=":443"'),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_forwarding(case: Case, pair: Pair) -> None:
    await pair.check(case)
