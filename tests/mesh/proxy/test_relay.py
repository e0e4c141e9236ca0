"""A relay's ends: half-close, resets, and a reader that is slow; in plaintext and between two sidecars."""

import asyncio
import hashlib
import random
import socket
import struct

import pytest

from mesh.model.listener import FilterChain, Listener, TcpProxy
from mesh.model.names import MTLS_ALPN
from mesh.model.resources import Resources
from mesh.model.tls import DownstreamTls, UpstreamTls

HOST = "127.0.0.1"
MUCH = random.Random(1).randbytes(5_000_000)
SMALL = 32 * 1024  # of a socket's buffers
# what one relay may hold of a direction: uvloop's largest read, on top of its high-water mark
HELD_BYTES = (256 + 64) * 1024


@pytest.fixture(params=["plaintext", "mTLS"])
async def relay(request, proxy, make, secrets_of):
    """relay(serve) -> a client's connection through one proxy, or through two that speak TLS."""
    servers = []

    async def start(serve):
        servers.append(await asyncio.start_server(serve, HOST, 0, limit=SMALL))
        target = servers[-1].sockets[0].getsockname()[1]
        outer, inner = make.free_port(), make.free_port()
        clusters, listeners = [make.cluster("app", target)], [listener("outer", outer, "app")]
        if request.param == "mTLS":
            proxy.worker.contexts.update(secrets_of("client"))
            clusters.append(make.cluster("in", inner, tls=UpstreamTls("in", ("istio",))))
            listeners = [
                listener("outer", outer, "in"),
                listener("inner", inner, "app", DownstreamTls(MTLS_ALPN)),
            ]
        proxy.config.apply(Resources(tuple(clusters), listeners=tuple(listeners)))
        return await proxy.client(outer)

    yield start
    for server in servers:
        server.close()


def listener(name, port, to, tls=None):
    return Listener(name, HOST, port, (FilterChain("tcp", TcpProxy(name, to), tls=tls),))


def reset(writer):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_a_client_that_has_said_all_gets_its_answer(relay):
    heard = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        heard.set_result(await reader.read())
        writer.write(MUCH)
        writer.close()

    client = await relay(serve)
    client.send(MUCH)
    client.writer.write_eof()
    assert await client.closed() == MUCH
    assert await heard == MUCH


async def test_a_server_that_has_said_all_goes_on_listening(relay):
    heard = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        writer.write(MUCH)
        writer.write_eof()
        heard.set_result(await reader.read())
        writer.close()

    client = await relay(serve)
    assert await client.reader.read() == MUCH
    client.send(MUCH)
    client.writer.close()
    assert await heard == MUCH


async def test_a_client_s_reset_is_the_server_s(relay):
    seen = asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        writer.write(b"hello")
        try:
            await reader.read()
        except ConnectionResetError:
            seen.set_result("reset")
        else:
            seen.set_result("end")
        writer.close()

    client = await relay(serve)
    await client.reader.readexactly(5)
    reset(client.writer)
    assert await seen == "reset"


async def test_a_server_s_reset_is_the_client_s(relay):
    async def serve(reader, writer):
        await reader.readexactly(5)
        reset(writer)

    client = await relay(serve)
    client.send(b"hello")
    with pytest.raises(ConnectionResetError):
        await client.reader.read()


async def test_a_slow_reader_holds_up_its_writer_alone(relay, proxy):
    """What is on the way is bounded, and arrives whole when the reader goes on."""
    go_on, heard = asyncio.Event(), asyncio.get_running_loop().create_future()

    async def serve(reader, writer):
        writer.write(b"hello")
        await go_on.wait()
        digest = hashlib.sha256()
        while data := await reader.read(100_000):
            digest.update(data)
        heard.set_result(digest.hexdigest())
        writer.close()

    client = await relay(serve)
    for _ in range(20):
        client.send(MUCH)
    client.writer.write_eof()
    assert await client.reader.readexactly(5) == b"hello"  # the other direction is free
    halves = [
        half
        for listener in proxy.config.listeners.values()
        for chain in listener.chains.values()
        for connection in chain.live
        for half in (connection, connection.peer)
    ]
    await proxy.until(lambda: any(half.transport.get_write_buffer_size() for half in halves))
    passed = -1
    while passed != (passed := sum(half.bytes_received for half in halves)):
        await proxy.settled()
    assert all(half.transport.get_write_buffer_size() <= HELD_BYTES for half in halves)
    assert client.writer.transport.get_write_buffer_size() > len(MUCH)
    go_on.set()
    assert await client.closed() == b""
    assert await heard == hashlib.sha256(MUCH * 20).hexdigest()
