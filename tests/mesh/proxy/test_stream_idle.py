"""Requests and responses that lie still are ended; those that move are not."""

from __future__ import annotations

import asyncio

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
