"""Leaving under traffic, on a live proxy."""

import asyncio

import pytest

from mesh.proxy.drain import drain, start_draining, stop_listening


@pytest.fixture
async def client(proxy, serve, make):
    proxy.origin_server = await proxy.origin()
    return await serve(make.forward("c"), make.cluster("c", proxy.origin_server.port))


async def test_clients_are_asked_to_leave_with_their_next_response(proxy, client):
    port = client.writer.get_extra_info("peername")[1]
    idle = await proxy.client(port)
    assert (await idle.get())[0] == 200
    release = asyncio.Event()
    origin = proxy.origin_server

    async def slow(request, writer):
        await release.wait()
        writer.write(origin.response)

    origin.respond = slow
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await proxy.until(lambda: len(origin.requests) == 2)
    leaving = asyncio.ensure_future(drain(proxy.config, 5.0))
    assert await idle.closed() == b""
    late = await proxy.client(port)  # who has not heard of it is still served, once
    release.set()
    for each in (client, late):
        if each is late:
            late.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        status, fields, _ = await each.response()
        assert (status, fields["connection"]) == (200, "close")
    async with asyncio.timeout(5):
        await leaving
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_who_does_not_leave_is_left_when_the_time_is_up(proxy, client):
    proxy.origin_server.response = b""
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await proxy.until(lambda: proxy.origin_server.requests)
    async with asyncio.timeout(3):
        await drain(proxy.config, 0.1)


async def test_without_grace_only_the_door_closes(proxy, client):
    port = client.writer.get_extra_info("peername")[1]
    assert (await client.get())[0] == 200
    stop_listening(proxy.config)
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", port)


async def test_draining_twice_is_draining(proxy, client):
    start_draining(proxy.config)
    start_draining(proxy.config)
    assert await client.closed() == b""
