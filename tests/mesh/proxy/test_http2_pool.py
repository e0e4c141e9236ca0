"""Many requests on few connections: sharing, limits, servers that leave."""

import asyncio

import pytest

from mesh.http.h2.messages import response_block
from mesh.http.h2.server import Server
from mesh.http.h2.settings import Limits
from mesh.http.h2.stream import Stream


class Origin(asyncio.Protocol):
    """An HTTP/2 server: answers 204 when told to; notes connections and streams at a time."""

    connections: list["Origin"]

    def __init__(self, connections, limits):
        self.connections = connections
        self.open: list[Stream] = []
        self.most = self.seen = 0
        self.codec = Server(self.stream, limits, self.flush, asyncio.get_running_loop().time)

    def stream(self, codec, number):
        made = Waiting(codec, number)
        made.owner = self
        return made

    def connection_made(self, transport):
        self.transport = transport
        self.connections.append(self)
        self.flush()

    def data_received(self, data):
        self.codec.receive_data(data)
        self.flush()

    def flush(self):
        if self.codec.out:
            self.transport.write(self.codec.take_output())

    def answer(self):
        for stream in self.open:
            self.codec.send_head(stream, response_block(204, {}, []), True)
        self.open.clear()


class Waiting(Stream):
    def head_received(self, message):
        owner = self.owner
        owner.seen += 1
        owner.open.append(self)
        owner.most = max(owner.most, len(owner.open))


@pytest.fixture
async def origin():
    servers = []

    async def start(**limits):
        connections = []
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Origin(connections, Limits(**limits)), "127.0.0.1", 0)
        servers.append(server)
        return server.sockets[0].getsockname()[1], connections

    yield start
    for server in servers:
        server.close()


async def clients_of(proxy, client, count):
    port = client.writer.get_extra_info("peername")[1]
    found = [client, *[await proxy.client(port) for _ in range(count - 1)]]
    for each in found:
        each.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    return found


async def test_requests_share_a_connection(proxy, serve, make, origin):
    port, connections = await origin()
    clients = await clients_of(proxy, await serve(make.forward("c"), make.cluster("c", port, http2=True)), 5)
    await proxy.until(lambda: connections and len(connections[0].open) == 5)
    connections[0].answer()
    assert [(await client.response(has_body=False))[0] for client in clients] == [204] * 5
    assert len(connections) == 1


@pytest.mark.parametrize("side", ["server", "cluster"])
async def test_no_more_streams_than_either_side_wants(proxy, serve, make, origin, side):
    port, connections = await origin(**({"max_streams": 2} if side == "server" else {}))
    wanted = {"max_concurrent_streams": 2} if side == "cluster" else {}
    client = await serve(make.forward("c"), make.cluster("c", port, http2=True, **wanted))
    (first,) = await clients_of(proxy, client, 1)
    await proxy.until(lambda: connections and connections[0].open)  # by now the settings are known
    connections[0].answer()
    await first.response(has_body=False)
    clients = await clients_of(proxy, client, 5)
    await proxy.until(lambda: sum(len(each.open) for each in connections) == 5)
    for each in connections:
        each.answer()
    assert [(await client.response(has_body=False))[0] for client in clients] == [204] * 5
    assert len(connections) == 3
    assert max(each.most for each in connections) == 2


async def test_a_server_that_leaves_gets_no_new_requests(proxy, serve, make, origin):
    port, connections = await origin()
    client = await serve(make.forward("c"), make.cluster("c", port, http2=True))
    (first,) = await clients_of(proxy, client, 1)
    await proxy.until(lambda: connections and connections[0].open)
    connections[0].codec.begin_drain()
    connections[0].flush()
    pool = next(iter(proxy.worker.clusters["c"].hosts.values())).pool
    await proxy.until(lambda: pool.connections[0].draining)
    port_of = client.writer.get_extra_info("peername")[1]
    second = await proxy.client(port_of)
    second.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await proxy.until(lambda: len(connections) == 2 and connections[1].open)
    for each in connections:
        each.answer()
    assert [(await each.response(has_body=False))[0] for each in (first, second)] == [204, 204]
    await proxy.until(lambda: len(pool.connections) == 1)


async def test_who_waits_for_a_connection_is_served_though_the_endpoint_leaves(proxy, serve, make, origin):
    port, connections = await origin()
    client = await serve(make.forward("c"), make.cluster("c", port, http2=True))
    (first,) = await clients_of(proxy, client, 1)
    pool = next(iter(proxy.worker.clusters["c"].hosts.values())).pool
    while not pool.dialing:  # noqa: ASYNC110 - it is so for a few turns of the loop
        await asyncio.sleep(0)
    pool.drain()
    await proxy.until(lambda: connections and connections[0].open)
    connections[0].answer()
    assert (await first.response(has_body=False))[0] == 204
    await proxy.until(lambda: not pool.connections)
    assert len(connections) == 1
