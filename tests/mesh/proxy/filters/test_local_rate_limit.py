"""The local_ratelimit filter over real sockets. The buckets of these tests never refill."""

from dataclasses import replace

import pytest

from mesh.model.rate_limit import LocalRateLimit, TokenBucket
from mesh.model.route import DirectResponse, Route, RouteMatch, StringMatch

NAMES = ("enabled", "ok", "rate_limited", "enforced")
OK = DirectResponse(200, b"ok")


def limit(tokens=2, **rules):
    return LocalRateLimit("x", TokenBucket(tokens, 1, 10.0**9), **rules)


@pytest.fixture
def limited(proxy, serve, make):
    """limited(limit) -> a client of a listener that answers 200 as long as the limit lets it."""

    async def start(*limits, action=OK, clusters=()):
        routes = [
            Route(RouteMatch(StringMatch("prefix", f"/{i}")), action, rate_limit=one)
            for i, one in enumerate(limits)
        ]
        return await serve(make.routes(*routes, Route(RouteMatch(), action)), *clusters)

    return start


def counts(proxy, prefix="x"):
    return [proxy.worker.stats.counter(f"{prefix}.http_local_rate_limit.{name}").value for name in NAMES]


async def test_so_many_pass_and_the_next_is_told(proxy, limited):
    client = await limited(limit(2, response_headers=(("x-limited-by", "me"), ("content-type", "a/b"))))
    answers = [await client.get("/0") for _ in range(4)]
    assert [status for status, _, _ in answers] == [200, 200, 429, 429]
    _, fields, body = answers[2]
    assert (body, fields["x-limited-by"], fields["content-type"]) == (b"local_rate_limited", "me", "a/b")
    entry = proxy.entries[2]
    assert (entry.response_flags, entry.response_code_details) == ("RL", "local_rate_limited")
    assert counts(proxy) == [4, 2, 2, 2]
    assert (await client.get("/other"))[0] == 200
    assert counts(proxy) == [4, 2, 2, 2]


async def test_each_route_has_its_own_bucket(proxy, limited):
    other = replace(limit(1), stat_prefix="y")
    client = await limited(limit(2), other)
    assert [(await client.get(f"/{number}"))[0] for number in (0, 1, 1, 0, 0)] == [200, 200, 429, 200, 429]
    assert (counts(proxy), counts(proxy, "y")) == ([3, 2, 1, 1], [2, 1, 1, 1])


async def test_the_refused_never_reach_the_origin_whatever_they_bring(proxy, make, limited):
    origin = await proxy.origin()
    client = await limited(limit(1), action=make.forward("c"), clusters=(make.cluster("c", origin.port),))
    for _ in range(3):
        client.send(b"POST /0 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
    assert [(await client.response())[0] for _ in range(3)] == [200, 429, 429]
    client.send(b"HEAD /0 HTTP/1.1\r\nHost: a\r\n\r\n")
    status, fields, _ = await client.response(has_body=False)
    assert (status, fields["content-length"]) == (429, "18")
    assert len(origin.requests) == 1


@pytest.mark.parametrize(("exhausted", "code"), [(False, "14"), (True, "8")])
async def test_grpc_clients_are_told_in_their_own_way(limited, exhausted, code):
    client = await limited(limit(1, resource_exhausted=exhausted))
    await client.get("/0")
    status, fields, body = await client.get("/0", "a", "content-type: application/grpc")
    assert (status, body, fields["grpc-status"], fields["grpc-message"]) == (
        200,
        b"",
        code,
        "local_rate_limited",
    )


async def test_what_is_not_enforced_is_counted_and_passes(proxy, limited):
    client = await limited(limit(1, enforced=0))
    assert [(await client.get("/0"))[0] for _ in range(3)] == [200, 200, 200]
    assert counts(proxy) == [3, 1, 2, 0]


async def test_what_is_not_enabled_takes_no_token(proxy, limited):
    client = await limited(limit(1, enabled=0))
    assert [(await client.get("/0"))[0] for _ in range(3)] == [200, 200, 200]
    assert counts(proxy) == [0, 0, 0, 0]


async def test_fractions_are_shares_of_requests(proxy, limited):
    """Of 1000, a quarter: 160..340 but once in 10^10. (Of 250, half: bounds wider still.)"""
    client = await limited(limit(1, enabled=25, enforced=50))
    statuses = [(await client.get("/0"))[0] for _ in range(1000)]
    enabled, ok, refused, enforced = counts(proxy)
    assert 160 < enabled < 340
    assert (ok, refused) == (1, enabled - 1)
    assert statuses.count(429) == enforced
    assert 0.2 * refused < enforced < 0.8 * refused


async def test_the_bucket_is_filled_anew_with_a_new_configuration(limited):
    for _ in range(2):
        client = await limited(limit(1))
        assert [(await client.get("/0"))[0] for _ in range(2)] == [200, 429]
