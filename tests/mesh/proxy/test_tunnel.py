"""Tunnels with real peers: WebSocket of both HTTP versions, TLS through CONNECT, backpressure, limits."""

import asyncio
import ssl

import aiohttp
import pytest
from aiohttp import web

from mesh.http.h2.client import Client
from mesh.http.h2.hpack import encode_field
from mesh.http.h2.server import Server
from mesh.http.h2.settings import Limits
from mesh.http.h2.stream import Stream
from mesh.model.route import Forward, RetryPolicy, Route, RouteMatch, WeightedCluster

DEADLINE_S = 10
WEBSOCKET = {"upgrades": ("websocket",)}
CONNECT = {"upgrades": ("CONNECT",)}
RETRY = RetryPolicy(2, ("connect-failure",), base_interval_s=0.001, max_interval_s=0.001)
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
UPGRADE = b"GET /chat HTTP/1.1\r\nHost: chat\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


@pytest.fixture
async def chat():
    """The port of a real WebSocket server that echoes; ``asked`` are the heads it got."""

    async def talk(request):
        chat.asked.append(request)
        socket = web.WebSocketResponse(protocols=("echo",), compress=True)
        await socket.prepare(request)
        async for message in socket:
            if message.type is aiohttp.WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        return socket

    class Chat:
        port = 0
        asked: list[web.Request]

    chat = Chat()
    chat.asked = []
    application = web.Application()
    application.router.add_get("/chat", talk)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    chat.port = site._server.sockets[0].getsockname()[1]
    yield chat
    await runner.cleanup()


def port_of(client):
    return client.writer.get_extra_info("peername")[1]


async def test_a_websocket_speaks_through_the_proxy_with_its_extensions(serve, make, chat, proxy):
    client = await serve(make.forward("chat"), make.cluster("chat", chat.port), **WEBSOCKET)
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port_of(client)}/chat"
        async with session.ws_connect(url, compress=15, protocols=("echo",)) as socket:
            assert socket.protocol == "echo"
            assert socket.compress
            for message in ("hello", "x" * 100_000, "ä" * 3):
                await socket.send_str(message)
                assert await socket.receive_str(timeout=DEADLINE_S) == message
            await socket.send_bytes(bytes(200_000))
            assert await socket.receive_bytes(timeout=DEADLINE_S) == bytes(200_000)
            await socket.ping(b"alive")
    await proxy.until(lambda: proxy.entries)
    (entry,) = proxy.entries
    assert (entry.response_code, entry.method, entry.path) == (101, "GET", "/chat")
    assert entry.bytes_received > 1000
    assert entry.bytes_sent > 1000
    assert "permessage-deflate" in chat.asked[0].headers["Sec-WebSocket-Extensions"]


async def test_an_upgrade_that_is_not_configured_is_ignored(serve, make, chat):
    client = await serve(make.forward("chat"), make.cluster("chat", chat.port))
    client.send(UPGRADE)
    status, _, body = await client.response()
    assert (status, b"Upgrade" in body) == (400, True)  # the server's own words about a plain GET


async def test_what_the_client_says_waits_until_the_server_agrees(serve, make, proxy):
    agree = asyncio.Event()
    heard = []

    async def respond(request, writer):
        heard.append(request)
        await agree.wait()
        writer.write(SWITCHING)

    origin = await proxy.origin()
    origin.respond = respond
    client = await serve(make.forward("chat"), make.cluster("chat", origin.port), **WEBSOCKET)
    client.send(UPGRADE + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
    await proxy.until(lambda: heard)
    await proxy.settled()
    assert len(heard) == 1
    agree.set()
    status, _, _ = await client.response(has_body=False)
    assert status == 101
    await proxy.until(lambda: len(heard) == 2)


async def test_a_client_that_talks_too_much_too_early_is_held_back(serve, make, proxy):
    origin = await proxy.origin()
    origin.respond = lambda request, writer: asyncio.sleep(0)
    client = await serve(make.forward("chat"), make.cluster("chat", origin.port), **WEBSOCKET)
    client.send(UPGRADE)
    await proxy.until(lambda: origin.requests)
    for _ in range(200):
        client.send(bytes(100_000))
        await asyncio.sleep(0)
    (connection,) = next(iter(proxy.config.listeners.values())).chains["http"].live
    await proxy.until(lambda: connection._paused)
    held = sum(map(len, connection.exchange.request.chunks))
    assert held < 1_000_000


async def test_a_server_that_declines_answers_and_the_connection_ends(serve, make, proxy):
    origin = await proxy.origin(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
    client = await serve(make.forward("chat"), make.cluster("chat", origin.port), **WEBSOCKET)
    client.send(UPGRADE + b"early")
    status, fields, body = await client.response()
    assert (status, body, fields["connection"]) == (403, b"no", "close")
    assert await client.closed() == b""
    assert len(origin.requests) == 1


async def test_a_failed_connection_is_tried_again_before_anything_is_said(serve, make, chat, proxy):
    cluster = make.cluster("chat", make.free_port(), chat.port, lb_policy="ROUND_ROBIN")
    client = await serve(make.forward("chat", retry=RETRY), cluster, **WEBSOCKET)
    for _ in range(2):
        async with aiohttp.ClientSession() as session:
            async with session.ws_connect(f"http://127.0.0.1:{port_of(client)}/chat") as socket:
                await socket.send_str("a")
                assert await socket.receive_str(timeout=DEADLINE_S) == "a"


async def test_tls_goes_through_a_connect_that_ends_here(serve, make, proxy, secrets_of, tmp_path):
    secrets = secrets_of("far")
    pem = tmp_path / "pem"
    pem.write_bytes(secrets.certificate.key_pem + secrets.certificate.chain_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    origin = await proxy.origin(tls=context)
    routing = make.routes(Route(RouteMatch(connect=True), terminate("far")))
    client = await serve(routing, make.cluster("far", origin.port), **CONNECT)
    client.send(b"CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n")
    status, fields, _ = await client.response(has_body=False)
    assert status == 200
    assert "content-length" not in fields
    trust = ssl.create_default_context(cadata=secrets.roots_pem.decode())
    trust.check_hostname = False
    await client.writer.start_tls(trust)
    assert (await client.get("/secret"))[2] == b"hi"
    client.writer.close()
    await proxy.until(lambda: proxy.entries)
    assert (proxy.entries[0].method, proxy.entries[0].path, proxy.entries[0].response_code) == (
        "CONNECT",
        "",
        200,
    )


async def test_only_connect_matches_its_routes_and_it_matches_no_others(serve, make, proxy):
    origin = await proxy.origin()
    routing = make.routes(
        Route(RouteMatch(connect=True), terminate("far")), Route(RouteMatch(), make.forward("near"))
    )
    clusters = make.cluster("far", make.free_port()), make.cluster("near", origin.port)
    client = await serve(routing, *clusters, **CONNECT)
    assert (await client.get("/"))[0] == 200
    client.send(b"CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n")
    assert (await client.response())[0] == 503


async def test_connect_is_refused_where_no_tunnels_are_made(serve, make):
    routing = make.routes(Route(RouteMatch(connect=True), terminate("far")))
    client = await serve(routing, make.cluster("far", make.free_port()))
    client.send(b"CONNECT far:443 HTTP/1.1\r\nHost: far:443\r\n\r\n")
    status, _, _ = await client.response()
    assert status == 403


async def test_a_tunnel_holds_no_more_than_the_slow_side_takes(serve, make, proxy):
    """The server talks on, the client reads nothing: the proxy stops reading."""
    sent = 0

    async def respond(request, writer):
        nonlocal sent
        writer.write(SWITCHING)
        while True:
            writer.write(bytes(65536))
            await writer.drain()
            sent += 65536

    origin = await proxy.origin()
    origin.respond = respond
    client = await serve(make.forward("chat"), make.cluster("chat", origin.port), **WEBSOCKET)
    client.writer.transport.pause_reading()
    client.send(UPGRADE)
    seen = -1
    async with asyncio.timeout(DEADLINE_S):
        while seen != sent:
            seen = sent
            await asyncio.sleep(0.2)
    (connection,) = next(iter(proxy.config.listeners.values())).chains["http"].live
    assert connection.transport.get_write_buffer_size() < 1_000_000
    assert connection.exchange.upstream._paused


# HTTP/2


class Tunnel(Stream):
    """One side's end of an HTTP/2 stream that is a tunnel."""

    __slots__ = ("changed", "ended", "head", "heard", "method", "on_data")

    def __init__(self, connection, stream_id=0):
        super().__init__(connection, stream_id)
        self.method = b"CONNECT"
        self.heard = bytearray()
        self.head = None
        self.ended = False
        self.on_data = lambda data: None
        self.changed = asyncio.Event()

    def head_received(self, message):
        self.head = message
        self.changed.set()

    def data_received(self, data, end):
        self.heard += data
        self.ended = end
        self.on_data(data)
        self.changed.set()

    def reset_received(self, code):
        self.ended = True
        self.changed.set()

    def request_refused(self, error):
        raise AssertionError(error)

    async def until(self, condition):
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class Peer(asyncio.Protocol):
    def __init__(self, make_codec):
        self.codec = make_codec(self.flush)

    def connection_made(self, transport):
        self.transport = transport
        self.flush()

    def data_received(self, data):
        self.codec.receive_data(data)
        self.flush()

    def flush(self):
        if self.codec.out:
            self.transport.write(self.codec.take_output())


def extended_connect(protocol=b"websocket", path=b"/chat"):
    fields = (
        (b":method", b"CONNECT"),
        (b":authority", b"chat"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":protocol", protocol),
        (b"sec-websocket-version", b"13"),
    )
    return b"".join(map(encode_field, fields))


async def http2_client(port):
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    _, peer = await loop.create_connection(
        lambda: Peer(lambda flush: Client(told.set, Limits(), flush, loop.time)), "127.0.0.1", port
    )
    await asyncio.wait_for(told.wait(), DEADLINE_S)
    return peer


async def test_a_websocket_over_http2_reaches_a_server_of_http1(serve, make, proxy):
    async def respond(request, writer):
        writer.write(SWITCHING if request.startswith(b"GET /chat") else b"re:" + request)

    origin = await proxy.origin()
    origin.respond = respond
    plain = await serve(make.forward("chat"), make.cluster("chat", origin.port), **WEBSOCKET)
    peer = await http2_client(port_of(plain))
    assert peer.codec.peer.connects_protocols
    tunnel = Tunnel(peer.codec)
    peer.codec.open(tunnel)
    peer.codec.send_head(tunnel, extended_connect(), False)
    peer.codec.send_data(tunnel, b"a\r\n\r\n", False)
    await tunnel.until(lambda: tunnel.heard)
    assert (tunnel.head.status, bytes(tunnel.heard)) == (200, b"re:a\r\n\r\n")
    assert b"upgrade" not in tunnel.head.fields
    head = origin.requests[0].lower()
    assert b"connection: upgrade\r\n" in head
    assert b"upgrade: websocket\r\n" in head
    peer.codec.reset(tunnel, 8)
    await proxy.until(lambda: proxy.entries)
    assert (proxy.entries[0].response_code, proxy.entries[0].protocol) == (101, "HTTP/2")
    peer.transport.abort()


async def test_a_protocol_that_is_not_configured_is_refused_over_http2(serve, make, proxy):
    plain = await serve(make.forward("chat"), make.cluster("chat", 1), **WEBSOCKET)
    peer = await http2_client(port_of(plain))
    tunnel = Tunnel(peer.codec)
    peer.codec.open(tunnel)
    peer.codec.send_head(tunnel, extended_connect(b"bytestream"), False)
    await tunnel.until(lambda: tunnel.head)
    assert tunnel.head.status == 403
    peer.transport.abort()


@pytest.fixture
async def http2_server():
    """http2_server(limits, respond) -> the port of a server that agrees to every CONNECT and echoes."""
    servers = []
    loop = asyncio.get_running_loop()

    class Echo(Tunnel):
        __slots__ = ()

        def head_received(self, message):
            self.head = message
            self.connection.send_head(self, encode_field((b":status", b"200")), False)
            seen.append(message)

        def data_received(self, data, end):
            self.connection.send_data(self, b"re:" + data if data else b"", end)

    seen: list = []
    speaking: list = []

    async def start(limits, settings_after=None):
        class Late(Peer):
            """Says nothing, not even its settings, before it is told to."""

            def connection_made(self, transport):
                super().connection_made(transport)
                if settings_after is not None:
                    speaking.append(loop.create_task(self._speak()))

            async def _speak(self):
                await settings_after.wait()
                self.flush()

            def flush(self):
                if settings_after is None or settings_after.is_set():
                    super().flush()

        server = await loop.create_server(
            lambda: Late(lambda flush: Server(Echo, limits, flush, loop.time)), "127.0.0.1", 0
        )
        servers.append(server)
        return server.sockets[0].getsockname()[1]

    start.seen = seen
    yield start
    for server in servers:
        server.close()


async def test_a_websocket_of_http1_reaches_a_server_of_http2(serve, make, proxy, http2_server):
    port = await http2_server(Limits(protocols=frozenset((b"websocket",))))
    client = await serve(make.forward("chat"), make.cluster("chat", port, http2=True), **WEBSOCKET)
    client.send(UPGRADE + b"early")
    status, fields, _ = await client.response(has_body=False)
    assert (status, fields["upgrade"].lower(), fields["connection"].lower()) == (101, "websocket", "upgrade")
    assert await client.reader.readexactly(8) == b"re:early"
    client.send(b"more")
    assert await client.reader.readexactly(7) == b"re:more"
    (request,) = http2_server.seen
    assert (request.method, request.path, request.fields[b"upgrade"]) == (b"GET", b"/chat", b"websocket")


async def test_an_upgrade_waits_for_the_settings_of_the_server(serve, make, proxy, http2_server):
    speak = asyncio.Event()
    port = await http2_server(Limits(protocols=frozenset((b"websocket",))), speak)
    client = await serve(make.forward("chat"), make.cluster("chat", port, http2=True), **WEBSOCKET)
    client.send(UPGRADE)
    await proxy.until(lambda: proxy.worker.clusters["chat"].stats.cx_active.value)
    await proxy.settled()
    assert not http2_server.seen
    speak.set()
    status, _, _ = await client.response(has_body=False)
    assert status == 101


async def test_a_server_of_http2_without_extended_connect_is_not_asked(serve, make, proxy, http2_server):
    port = await http2_server(Limits())
    client = await serve(make.forward("chat"), make.cluster("chat", port, http2=True), **WEBSOCKET)
    client.send(UPGRADE)
    status, _, _ = await client.response()
    assert status == 502
    assert not http2_server.seen


def terminate(cluster):
    return Forward((WeightedCluster(cluster),), terminate_connect=True)
