"""Requests and responses that lie still are ended; those that move are not."""

from __future__ import annotations

import asyncio

import pytest

from mesh.model.http_filter import Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.resources import Resources
from mesh.model.route import Route, RouteMatch

LIMIT_S = 0.16


async def start(proxy, serve, make, response=b""):
    origin = await proxy.origin(response)
    client = await serve(make.forward("c"), make.cluster("c", origin.port), stream_idle_timeout_s=LIMIT_S)
    return client, origin


async def test_an_upstream_that_says_nothing_is_504(proxy, serve, make):
    client, _ = await start(proxy, serve, make)
    status, _, body = await client.get()
    assert (status, body) == (504, b"stream timeout")
    entry = proxy.entries[0]
    assert (entry.response_flags, entry.response_code_details) == ("SI", "stream_idle_timeout")
    assert entry.duration_s >= LIMIT_S
    assert proxy.worker.stats.counter("http.outbound.downstream_rq_idle_timeout").value == 1


async def test_a_client_that_does_not_go_on_is_408(proxy, serve, make):
    client, _ = await start(proxy, serve, make)
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello")
    assert (await client.response())[0] == 408


async def test_a_response_that_stops_is_broken_off(proxy, serve, make):
    client, _ = await start(proxy, serve, make, b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello")
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await client.closed()).endswith(b"hello")
    assert proxy.entries[0].response_flags == "SI"


async def test_what_moves_goes_on_for_longer_than_the_limit(proxy, serve, make):
    client, origin = await start(proxy, serve, make)

    async def drip(request, writer):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(LIMIT_S / 3)
            writer.write(b"x")

    origin.respond = drip
    status, _, body = await client.get()
    assert (status, body) == (200, b"x" * 8)
    assert proxy.entries[0].duration_s > 2 * LIMIT_S
    assert proxy.entries[0].response_flags == "-"


async def test_a_request_that_was_whole_costs_no_connection(proxy, serve, make):
    client, origin = await start(proxy, serve, make)
    assert (await client.get())[0] == 504
    origin.response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
    assert (await client.get())[0] == 200


ENGINES = pytest.mark.parametrize("engine", ["python", pytest.param("envoy", marks=pytest.mark.envoy)])


@pytest.fixture
def through(proxy, envoy, make):
    """through(engine, cluster) -> a client of that engine; its requests go there, and lie still for 1 s."""

    async def start(engine, cluster):
        routing = make.routes(Route(RouteMatch(), make.forward(cluster.name)))
        if engine == "envoy":
            manager = HttpConnectionManager("t", (Router(),), route_config=routing, stream_idle_timeout_s=1.0)
            listener = Listener("t", "127.0.0.1", make.free_port(), (FilterChain("http", manager),))
            return await envoy(listener, cluster)
        listener = make.outbound(make.free_port(), routing, stream_idle_timeout_s=1.0)
        proxy.config.apply(Resources((cluster,), listeners=(listener,)))
        return await proxy.client(listener.port)

    return start


@ENGINES
async def test_who_reads_nothing_holds_the_server_up_and_is_given_up(proxy, through, make, engine):
    """On its way are what the kernels and the proxy hold, and no more."""
    size, piece = 256_000_000, bytes(64_000)
    sent, broken_off = 0, asyncio.Event()

    async def endless(reader, writer):
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        try:
            while sent < size:
                writer.write(piece)
                await writer.drain()
                sent += len(piece)
        except ConnectionError:
            broken_off.set()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    client = await through(engine, make.cluster("c", server.sockets[0].getsockname()[1]))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    async with asyncio.timeout(20):
        await broken_off.wait()
    assert sent < 40_000_000
    assert len(await client.closed()) < size
    if engine == "python":
        (entry,) = proxy.entries
        assert (entry.response_code, entry.response_flags) == (200, "SI")
    server.close()


@ENGINES
async def test_a_server_that_reads_nothing_holds_its_client_up_and_is_given_up(proxy, through, make, engine):
    """However much there is of a body: on its way are what the kernels and the proxy hold."""
    size, sent, answered = 256_000_000, 0, asyncio.Event()

    async def deaf(reader, writer):
        await answered.wait()
        writer.close()

    server = await asyncio.start_server(deaf, "127.0.0.1", 0)
    client = await through(engine, make.cluster("c", server.sockets[0].getsockname()[1]))
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size)

    async def pour():
        nonlocal sent
        while sent < size:
            client.send(bytes(64_000))
            await client.writer.drain()
            sent += 64_000

    pouring = asyncio.ensure_future(pour())
    async with asyncio.timeout(20):
        status, fields, body = await client.response()
    answered.set()
    pouring.cancel()
    await asyncio.gather(pouring, return_exceptions=True)
    assert (status, body, fields["connection"]) == (408, b"stream timeout", "close")
    assert sent < 40_000_000
    if engine == "python":
        assert [entry.response_flags for entry in proxy.entries] == ["SI"]
    server.close()
