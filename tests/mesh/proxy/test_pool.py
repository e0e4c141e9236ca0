"""Connections to one endpoint: how many, how often used, how long kept, and what is refused beyond that."""

import asyncio
import socket
import time

from mesh.model.cluster import CircuitBreaker, TcpKeepalive
from mesh.model.route import RetryPolicy

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def stat(proxy, name: str) -> int:
    stats = proxy.worker.stats
    return {**stats.counters, **stats.gauges}[f"cluster.c.{name}"].value


async def more(proxy, client, count: int):
    port = client.writer.get_extra_info("peername")[1]
    return [await proxy.client(port) for _ in range(count)]


async def test_one_connection_one_waiting_and_the_rest_overflows(proxy, serve, make):
    origin, release = await proxy.origin(), asyncio.Event()

    async def hold(request, writer):
        await release.wait()
        writer.write(origin.response)

    origin.respond = hold
    limits = CircuitBreaker(max_connections=1, max_pending_requests=1)
    first = await serve(make.forward("c"), make.cluster("c", origin.port, circuit_breaker=limits))
    second, third = await more(proxy, first, 2)
    first.send(GET)
    await proxy.until(lambda: origin.requests)
    second.send(GET)
    await proxy.until(lambda: stat(proxy, "upstream_rq_pending_active"))
    assert stat(proxy, "circuit_breakers.default.cx_open") == 1
    assert stat(proxy, "circuit_breakers.default.rq_pending_open") == 1
    status, fields, body = await third.get()
    assert (status, fields["x-envoy-overloaded"]) == (503, "true")
    assert body == b"upstream connect error or disconnect/reset before headers. reset reason: overflow"
    assert proxy.entries[0].response_flags == "UO"
    assert proxy.entries[0].response_code_details == "upstream_reset_before_response_started{overflow}"
    release.set()
    assert [(await each.response())[0] for each in (first, second)] == [200, 200]
    assert origin.connections == 1
    assert stat(proxy, "upstream_rq_pending_overflow") == 1
    assert stat(proxy, "upstream_cx_overflow") >= 1
    assert stat(proxy, "circuit_breakers.default.rq_pending_open") == 0


async def test_an_endpoint_without_a_connection_gets_one_whatever_the_limit(proxy, serve, make):
    one, other = await proxy.origin(), await proxy.origin()
    limits = CircuitBreaker(max_connections=1)
    cluster = make.cluster("c", one.port, other.port, lb_policy="ROUND_ROBIN", circuit_breaker=limits)
    client = await serve(make.forward("c"), cluster)
    assert [(await client.get())[0] for _ in range(4)] == [200] * 4
    assert (one.connections, other.connections) == (1, 1)


async def test_a_connection_serves_so_many_requests(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port, max_requests_per_connection=2))
    for _ in range(5):
        assert (await client.get())[0] == 200
    assert origin.connections == 3
    assert stat(proxy, "upstream_cx_max_requests") == 2


async def test_a_connection_lives_so_long(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port, max_connection_duration_s=0.05))
    assert (await client.get())[0] == 200
    await proxy.until(lambda: stat(proxy, "upstream_cx_max_duration_reached"))
    assert (await client.get())[0] == 200
    assert origin.connections == 2


async def test_a_busy_connection_whose_time_is_over_finishes_first(proxy, serve, make):
    origin, release = await proxy.origin(), asyncio.Event()

    async def hold(request, writer):
        await release.wait()
        writer.write(origin.response)

    origin.respond = hold
    client = await serve(make.forward("c"), make.cluster("c", origin.port, max_connection_duration_s=0.01))
    client.send(GET)
    await proxy.until(lambda: origin.requests)
    [pool] = [host.pool for host in proxy.worker.clusters["c"].hosts.values()]
    [connection] = pool.all
    await proxy.until(lambda: time.monotonic() > connection.expires_at)
    release.set()
    assert (await client.response())[0] == 200
    assert stat(proxy, "upstream_cx_max_duration_reached") == 1
    assert not pool.idle


async def test_idle_connections_are_closed_and_counted(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port, idle_timeout_s=10.0))
    assert (await client.get())[0] == 200
    cluster = proxy.worker.clusters["c"]
    cluster.close_idle(time.monotonic() + 5)
    assert stat(proxy, "upstream_cx_idle_timeout") == 0
    cluster.close_idle(time.monotonic() + 15)
    assert stat(proxy, "upstream_cx_idle_timeout") == 1


async def test_who_waits_for_a_connection_is_served_though_the_endpoint_leaves(proxy, serve, make):
    origin = await proxy.origin()
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    client.send(GET)
    pool = next(iter(proxy.worker.clusters["c"].hosts.values())).pool
    while not pool.dialing:  # noqa: ASYNC110 - it is so for a few turns of the loop
        await asyncio.sleep(0)
    pool.drain()
    assert (await client.response())[0] == 200
    await proxy.until(lambda: not pool.all)
    assert origin.connections == 1


async def test_keepalive_probes_as_configured(proxy, serve, make):
    origin = await proxy.origin()
    keepalive = TcpKeepalive(probes=3, time_s=60, interval_s=7)
    client = await serve(make.forward("c"), make.cluster("c", origin.port, tcp_keepalive=keepalive))
    assert (await client.get())[0] == 200
    [host] = proxy.worker.clusters["c"].hosts.values()
    [connection] = host.pool.all
    sock = connection.transport.get_extra_info("socket")
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    options = (socket.TCP_KEEPCNT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)
    assert [sock.getsockopt(socket.IPPROTO_TCP, option) for option in options] == [3, 60, 7]


async def test_no_more_retries_at_one_time_than_the_breaker_says(proxy, serve, make):
    origin, release = await proxy.origin(b"HTTP/1.1 503 X\r\ncontent-length: 0\r\n\r\n"), asyncio.Event()

    async def hold_the_second(request, writer):
        if len(origin.requests) == 2:
            await release.wait()
        writer.write(origin.response)

    origin.respond = hold_the_second
    policy = RetryPolicy(1, ("5xx",), base_interval_s=0.001)
    limits = CircuitBreaker(max_retries=1)
    first = await serve(
        make.forward("c", retry=policy), make.cluster("c", origin.port, circuit_breaker=limits)
    )
    [second] = await more(proxy, first, 1)
    first.send(GET)
    await proxy.until(lambda: len(origin.requests) == 2)
    assert (await second.get())[0] == 503
    assert proxy.entries[0].response_flags == "UO"
    assert len(origin.requests) == 3
    assert stat(proxy, "upstream_rq_retry_overflow") == 1
    assert stat(proxy, "circuit_breakers.default.rq_retry_open") == 1
    release.set()
    assert (await first.response())[0] == 503
    assert stat(proxy, "circuit_breakers.default.rq_retry_open") == 0
