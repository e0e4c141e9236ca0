"""Copies of requests: where they go, what they carry, and that the client never notices them."""

from __future__ import annotations

import asyncio

import pytest

from mesh.model.cluster import CircuitBreaker
from mesh.model.route import Mirror
from mesh.proxy import mirror
from mesh.proxy.mirror import shadow_host


def lines(request):
    return request.decode().split("\r\n")


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        (b"reviews:9080", b"reviews-shadow:9080"),
        (b"reviews", b"reviews-shadow"),
        (b"[::1]", b"[::1]-shadow"),
        (b"[::1]:80", b"[::1]-shadow:80"),
    ],
)
def test_the_suffix_goes_before_the_port(authority, expected):
    assert shadow_host(authority) == expected


async def mirrored(proxy, serve, make, *mirrors, **options):
    """(client, origin, the mirror's origin), the clusters "c" and "m"."""
    origin, copy = await proxy.origin(), await proxy.origin()
    client = await serve(
        make.forward("c", mirrors=mirrors or (Mirror("m"),), **options),
        make.cluster("c", origin.port),
        make.cluster("m", copy.port),
    )
    return client, origin, copy


async def test_the_copy_has_the_requests_head_with_a_shadow_host(proxy, serve, make):
    client, origin, copy = await mirrored(proxy, serve, make)
    assert (await client.get("/a?b", "reviews:9080", "x-user: 1"))[0] == 200
    await proxy.until(lambda: copy.requests)
    found, expected = lines(copy.requests[0]), lines(origin.requests[0])
    assert found[0] == "GET /a?b HTTP/1.1"
    assert "host: reviews-shadow:9080" in found
    assert "host: reviews:9080" in expected
    assert {line for line in expected if not line.startswith("host")} <= set(found)


async def test_the_suffix_can_be_switched_off(proxy, serve, make):
    client, _, copy = await mirrored(proxy, serve, make, Mirror("m", shadow_suffix=False))
    await client.get()
    await proxy.until(lambda: copy.requests)
    assert "host: reviews:9080" in lines(copy.requests[0])


async def test_bodies_are_copied_in_both_framings(proxy, serve, make):
    client, origin, copy = await mirrored(proxy, serve, make)
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
    await proxy.settled()
    client.send(b"world")
    assert (await client.response())[0] == 200
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert (await client.response())[0] == 200
    await proxy.until(lambda: len(copy.requests) == 2)
    assert copy.requests[0].endswith(b"\r\n\r\nhelloworld")
    assert copy.requests[1].endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    assert len(origin.requests) == 2


async def test_several_mirrors_each_get_a_copy(proxy, serve, make):
    origins = [await proxy.origin() for _ in range(3)]
    client = await serve(
        make.forward("c0", mirrors=(Mirror("c1"), Mirror("c2"))),
        *(make.cluster(f"c{number}", origin.port) for number, origin in enumerate(origins)),
    )
    await client.get()
    await proxy.until(lambda: all(origin.requests for origin in origins))


@pytest.mark.parametrize("response", [b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n", b"nonsense\r\n\r\n"])
async def test_what_the_mirror_answers_never_reaches_the_client(proxy, serve, make, response):
    client, _, copy = await mirrored(proxy, serve, make)
    copy.response = response
    for _ in range(3):
        assert (await client.get())[2] == b"hi"
    await proxy.until(lambda: len(copy.requests) == 3)
    await proxy.until(lambda: proxy.worker.stats.gauge("cluster.m.upstream_rq_active").value == 0)
    assert [entry.response_code for entry in proxy.entries] == [200, 200, 200]


async def test_a_dead_mirror_and_one_that_is_unknown_do_no_harm(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(
        make.forward("c", mirrors=(Mirror("dead"), Mirror("unknown"), Mirror("empty"))),
        make.cluster("c", origin.port),
        make.cluster("dead", make.free_port()),
        make.cluster("empty"),
    )
    for _ in range(3):
        assert (await client.get())[0] == 200
    failed = proxy.worker.stats.counter("cluster.dead.upstream_cx_connect_fail")
    await proxy.until(lambda: failed.value >= 1)
    assert proxy.worker.clusters["dead"].breaker.requests.value == 0


async def test_a_mirror_that_never_answers_is_given_up(proxy, serve, make, monkeypatch):
    monkeypatch.setattr(mirror, "GIVE_UP_S", 0.05)
    client, _, copy = await mirrored(proxy, serve, make)
    copy.respond = lambda request, writer: asyncio.sleep(0)
    assert (await client.get())[0] == 200
    await proxy.until(lambda: proxy.worker.stats.counter("cluster.m.upstream_rq_timeout").value == 1)
    assert proxy.worker.clusters["m"].breaker.requests.value == 0
    assert next(iter(proxy.worker.clusters["m"].hosts.values())).active == 0


async def test_a_mirror_that_lags_behind_is_dropped(proxy, serve, make, monkeypatch):
    monkeypatch.setattr(mirror, "MAX_LAG_BYTES", 1000)
    origin = await proxy.origin()
    client = await serve(
        make.forward("c", mirrors=(Mirror("m"),)),
        make.cluster("c", origin.port),
        make.cluster("m", make.free_port(), connect_timeout_s=1.0),
    )
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000)
    assert (await client.response())[0] == 200
    assert origin.requests[0].endswith(b"x" * 5000)
    assert proxy.worker.stats.counter("cluster.m.upstream_rq_pending_overflow").value == 1
    assert proxy.worker.clusters["m"].breaker.requests.value == 0
    await proxy.until(lambda: proxy.worker.clusters["m"].breaker.pending == 0)


async def test_a_client_that_leaves_in_mid_body_ends_the_copy_too(proxy, serve, make):
    client, _, copy = await mirrored(proxy, serve, make)
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
    await proxy.until(lambda: copy.connections)
    client.writer.transport.abort()
    await proxy.until(lambda: proxy.worker.stats.gauge("cluster.m.upstream_rq_active").value == 0)
    assert copy.requests == []


async def test_the_mirrors_own_limits_hold(proxy, serve, make):
    origin, copy = await proxy.origin(), await proxy.origin()
    client = await serve(
        make.forward("c", mirrors=(Mirror("m"),)),
        make.cluster("c", origin.port),
        make.cluster("m", copy.port, circuit_breaker=CircuitBreaker(max_requests=0)),
    )
    assert (await client.get())[0] == 200
    await proxy.settled()
    assert proxy.worker.stats.counter("cluster.m.upstream_rq_pending_overflow").value == 1
    assert copy.requests == []


async def test_no_copy_of_a_request_that_goes_nowhere(proxy, serve, make):
    copy = await proxy.origin()
    client = await serve(
        make.forward("c", mirrors=(Mirror("m"),)), make.cluster("c"), make.cluster("m", copy.port)
    )
    assert (await client.get())[0] == 503
    await proxy.settled()
    assert proxy.worker.stats.counter("cluster.m.upstream_rq_total").value == 0


async def test_about_the_percentage_is_copied(proxy, serve, make):
    """1000 requests at 30 %: outside 229..375 with a chance below 1e-6 (exact binomial: 4.6e-7)."""
    client, _, copy = await mirrored(proxy, serve, make, Mirror("m", 30.0))
    for _ in range(1000):
        await client.get()
    total = proxy.worker.stats.counter("cluster.m.upstream_rq_total").value
    assert 229 <= total <= 375
    await proxy.until(lambda: len(copy.requests) == total)
