"""HTTP/2 through the proxy over real sockets: real gRPC clients and servers, and the two translations."""

import asyncio
import contextlib
import socket

import grpc
import pytest

from mesh.http.h2.client import Client
from mesh.http.h2.errors import Code
from mesh.http.h2.frames import PING, frame
from mesh.http.h2.messages import request_block
from mesh.http.h2.server import Server
from mesh.http.h2.settings import Limits
from mesh.http.h2.stream import Stream
from mesh.http.message import Framing, Request
from mesh.model.http_filter import Router
from mesh.model.listener import FilterChain, FilterChainMatch, HttpConnectionManager, Listener
from mesh.model.names import INBOUND_HTTP_ALPN, UPSTREAM_ALPN, UPSTREAM_ALPN_H2
from mesh.model.resources import Resources
from mesh.model.route import RetryPolicy, Route, RouteMatch
from mesh.model.tls import DownstreamTls, UpstreamTls

DEADLINE_S = 10


class Answer(Stream):
    """What came back on a stream."""

    __slots__ = ("body", "code", "done", "head", "method", "trailers")

    def __init__(self, connection, method):
        super().__init__(connection, 0)
        self.method = method
        self.head, self.body, self.trailers, self.code = None, bytearray(), [], None
        self.done = asyncio.get_running_loop().create_future()

    def head_received(self, message):
        self.head = message
        if message.complete:
            self.done.set_result(None)

    def data_received(self, data, end):
        self.body += data
        if end:
            self.done.set_result(None)

    def trailers_received(self, trailers):
        self.trailers = trailers
        self.done.set_result(None)

    def reset_received(self, code):
        self.code = code
        if not self.done.done():
            self.done.set_result(None)


class Http2Client(asyncio.Protocol):
    """A client with our own codec: streams by hand."""

    def __init__(self):
        self.codec = Client(lambda: None, Limits(), self.flush, asyncio.get_running_loop().time)
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.flush()

    def data_received(self, data):
        self.codec.receive_data(data)
        self.flush()

    def connection_lost(self, exc):
        self.closed.set_result(None)

    def flush(self):
        if self.codec.out:
            self.transport.write(self.codec.take_output())

    def ask(self, method=b"GET", path=b"/", end=True, **fields):
        stream = Answer(self.codec, method)
        all_fields = {b"host": b"reviews:9080"} | {
            name.replace("_", "-").encode(): value for name, value in fields.items()
        }
        request = Request(method, path, b"reviews:9080", all_fields, [], Framing.NONE, True)
        self.codec.open(stream)
        self.codec.send_head(stream, request_block(request), end)
        return stream

    async def get(self, path=b"/", **fields):
        stream = self.ask(b"GET", path, **fields)
        await asyncio.wait_for(stream.done, DEADLINE_S)
        return stream


@pytest.fixture
async def connect(serve):
    """connect(action, clusters) -> an HTTP/2 client with prior knowledge of a new listener."""
    made = []

    async def start(action, *clusters, **options):
        plain = await serve(action, *clusters, **options)
        port = plain.writer.get_extra_info("peername")[1]
        _, client = await asyncio.get_running_loop().create_connection(Http2Client, "127.0.0.1", port)
        client.port = port
        made.append(client)
        return client

    yield start
    for client in made:
        client.transport.abort()


class Service:
    """A gRPC server with a method of each kind."""

    def __init__(self):
        self.cancelled = asyncio.Event()
        self.calls = 0
        self.answers: list[grpc.StatusCode] = []

    async def unary(self, request, context):
        self.calls += 1
        context.set_trailing_metadata((("x-trailer", "there"),))
        if self.answers:
            await context.abort(self.answers.pop(0), "as asked")
        return b"re:" + request

    async def server_stream(self, request, context):
        for number in range(3):
            yield request + b"%d" % number

    async def client_stream(self, requests, context):
        return b"%d" % sum([len(message) async for message in requests])

    async def both(self, requests, context):
        async for message in requests:
            yield b"e" + message

    async def hang(self, request, context):
        self.calls += 1
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    def handlers(self):
        return grpc.method_handlers_generic_handler(
            "t.T",
            {
                "Unary": grpc.unary_unary_rpc_method_handler(self.unary),
                "ServerStream": grpc.unary_stream_rpc_method_handler(self.server_stream),
                "ClientStream": grpc.stream_unary_rpc_method_handler(self.client_stream),
                "Both": grpc.stream_stream_rpc_method_handler(self.both),
                "Hang": grpc.unary_unary_rpc_method_handler(self.hang),
            },
        )


@pytest.fixture
async def service():
    made = Service()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((made.handlers(),))
    made.port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield made
    await server.stop(0)


@pytest.fixture
async def grpc_channel(proxy, service, make):
    """A channel through two proxies in a row: HTTP/2 on all three hops."""
    near, far = make.free_port(), make.free_port()
    clusters = (make.cluster("app", service.port, http2=True), make.cluster("far", far, http2=True))
    listeners = tuple(
        make.outbound(port, make.routes(Route(RouteMatch(), make.forward(name))))
        for port, name in ((far, "app"), (near, "far"))
    )
    proxy.config.apply(Resources(clusters=clusters, listeners=listeners, routes=()))
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{near}")
    yield channel
    await channel.close()


async def test_grpc_unary_with_metadata_and_trailers(grpc_channel):
    call = grpc_channel.unary_unary("/t.T/Unary")(b"hi", timeout=DEADLINE_S)
    assert await call == b"re:hi"
    assert ("x-trailer", "there") in tuple(await call.trailing_metadata())


async def test_grpc_server_streaming(grpc_channel):
    call = grpc_channel.unary_stream("/t.T/ServerStream")(b"m", timeout=DEADLINE_S)
    assert [message async for message in call] == [b"m0", b"m1", b"m2"]


async def test_grpc_client_streaming_of_more_than_all_windows(grpc_channel):
    async def messages():
        for _ in range(80):
            yield b"x" * 100_000

    assert await grpc_channel.stream_unary("/t.T/ClientStream")(messages(), timeout=DEADLINE_S) == b"8000000"


async def test_grpc_bidirectional_streaming_is_not_held_back(grpc_channel):
    call = grpc_channel.stream_stream("/t.T/Both")(timeout=DEADLINE_S)
    for number in range(5):
        await call.write(b"%d" % number)
        assert await call.read() == b"e%d" % number
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_grpc_cancellation_reaches_the_server(proxy, grpc_channel, service):
    call = grpc_channel.unary_unary("/t.T/Hang")(b"", timeout=DEADLINE_S)
    await proxy.until(lambda: service.calls)
    call.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await call
    await asyncio.wait_for(service.cancelled.wait(), DEADLINE_S)


async def test_http2_in_http1_out(proxy, connect, make):
    origin = await proxy.origin(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
    client = await connect(make.forward("c"), make.cluster("c", origin.port))
    answers = await asyncio.gather(*(client.get(b"/%d" % number) for number in range(5)))
    assert [(answer.head.status, answer.body) for answer in answers] == [(200, b"hi")] * 5
    assert b"transfer-encoding" not in answers[0].head.fields
    assert b"connection" not in answers[0].head.fields
    assert {request.split(b" ")[1] for request in origin.requests} == {b"/%d" % n for n in range(5)}
    assert b"host: reviews:9080" in origin.requests[0]
    assert proxy.entries[0].protocol == "HTTP/2"


async def test_a_body_of_unknown_length_goes_to_http1_in_chunks(proxy, connect, make):
    origin = await proxy.origin()
    client = await connect(make.forward("c"), make.cluster("c", origin.port))
    stream = client.ask(b"POST", end=False)
    client.codec.send_data(stream, b"abc", False)
    client.codec.send_trailers(stream, b"\x00\x01x\x01y")
    await asyncio.wait_for(stream.done, DEADLINE_S)
    (request,) = origin.requests
    assert b"transfer-encoding: chunked" in request
    assert request.endswith(b"\r\n\r\n3\r\nabc\r\n0\r\n\r\n")


async def test_http1_in_http2_out_and_back(proxy, make, serve):
    origin = await proxy.origin(b"HTTP/1.1 204 No Content\r\n\r\n")
    far = make.free_port()
    listener = make.outbound(far, make.routes(Route(RouteMatch(), make.forward("app"))))
    near = make.free_port()
    first = make.outbound(near, make.routes(Route(RouteMatch(), make.forward("far"))))
    clusters = (make.cluster("app", origin.port), make.cluster("far", far, http2=True))
    proxy.config.apply(Resources(clusters=clusters, listeners=(listener, first), routes=()))
    client = await proxy.client(near)
    client.send(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n")
    status, fields, _ = await client.response(has_body=False)
    assert status == 204
    assert "content-length" not in fields
    client.send(b"POST /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nz\r\n0\r\n\r\n")
    assert (await client.response(has_body=False))[0] == 204
    assert origin.requests[1].startswith(b"POST /y HTTP/1.1\r\n")
    assert [entry.protocol for entry in proxy.entries] == ["HTTP/2", "HTTP/1.1"] * 2


async def test_a_client_that_speaks_http2_gets_it_upstream_where_asked(proxy, connect, service, make):
    cluster = make.cluster("c", service.port, use_client_protocol=True)
    client = await connect(make.forward("c"), cluster)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{client.port}") as channel:
        assert await channel.unary_unary("/t.T/Unary")(b"hi", timeout=DEADLINE_S) == b"re:hi"


async def test_a_draining_connection_finishes_what_is_in_hand(proxy, connect, make):
    origin = await proxy.origin()
    release = asyncio.Event()

    async def respond(request, writer):
        await release.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    origin.respond = respond
    client = await connect(make.forward("c"), make.cluster("c", origin.port))
    answer = asyncio.ensure_future(client.get())
    await proxy.until(lambda: origin.requests)
    for listener in proxy.config.listeners.values():
        listener.drain()
    await proxy.until(lambda: client.codec.goaway is not None)
    release.set()
    assert (await answer).head.status == 200
    await asyncio.wait_for(client.closed, DEADLINE_S)


async def test_a_request_that_is_none_is_answered(proxy, connect, make):
    client = await connect(make.forward("c"), make.cluster("c"))
    answer = await client.get(b"/a#b")
    assert answer.head.status == 400
    (entry,) = proxy.entries
    assert (entry.response_flags, entry.response_code_details) == ("DPE", "path_with_fragment")


async def test_what_is_malformed_is_reset_and_logged_as_a_request_without_an_answer(proxy, connect, make):
    client = await connect(make.forward("c"), make.cluster("c"))
    answer = client.ask(x_a=b"\x07")
    await proxy.until(lambda: proxy.entries)
    (entry,) = proxy.entries
    assert (entry.method, entry.response_code, entry.response_flags) == ("", 0, "DPE")
    assert entry.response_code_details == "http2.invalid_header_value"
    assert answer.head is None


async def test_a_connection_that_breaks_the_rules_takes_its_streams_along_as_dpe(proxy, connect, make):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = await connect(make.forward("c"), make.cluster("c", silent.getsockname()[1]))
        client.ask()
        client.transport.write(frame(PING, 0, 1, b"12345678"))
        await proxy.until(lambda: proxy.entries)
    (entry,) = proxy.entries
    assert (entry.response_flags, entry.response_code_details) == ("DPE", "http2.ping_on_a_stream")


async def test_a_client_that_gives_up_a_stream_is_dr_and_one_that_closes_dc(proxy, connect, make):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = await connect(make.forward("c"), make.cluster("c", silent.getsockname()[1]))
        client.codec.reset(client.ask(path=b"/reset"), 8)
        await proxy.until(lambda: proxy.entries)
        client.ask(path=b"/close")
        client.transport.close()
        await proxy.until(lambda: len(proxy.entries) == 2)
    assert [(entry.response_flags, entry.response_code_details) for entry in proxy.entries] == [
        ("DR", "http2.remote_reset"),
        ("DC", "downstream_remote_disconnect"),
    ]


async def test_a_slow_reader_holds_the_server_back(proxy, connect, make):
    size = 40 * 1024 * 1024
    origin = await proxy.origin()
    written = 0

    async def respond(request, writer):
        nonlocal written
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size)
        for _ in range(size // 65536):
            writer.write(b"x" * 65536)
            await writer.drain()
            written += 65536

    origin.respond = respond
    client = await connect(make.forward("c"), make.cluster("c", origin.port))
    stream = client.ask()
    stream.pause_reading()
    await proxy.until(lambda: len(stream.body) >= 256 * 1024)
    await asyncio.sleep(0.2)  # time in which it would run away
    assert written < size // 2
    stream.resume_reading()
    await asyncio.wait_for(stream.done, DEADLINE_S)
    assert len(stream.body) == size


def through(proxy, make, service, **options):
    """A channel through one proxy whose route has these options."""
    port = make.free_port()
    routing = make.routes(Route(RouteMatch(), make.forward("app", **options)))
    clusters = (make.cluster("app", *([service.port] if service else []), http2=True),)
    proxy.config.apply(Resources(clusters=clusters, listeners=(make.outbound(port, routing),), routes=()))
    return grpc.aio.insecure_channel(f"127.0.0.1:{port}")


async def code_of(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details()


async def test_the_grpc_status_is_in_the_entry(proxy, make, service):
    service.answers = [grpc.StatusCode.NOT_FOUND]
    async with through(proxy, make, service) as channel:
        method = channel.unary_unary("/t.T/Unary")
        assert await code_of(method(b"", timeout=DEADLINE_S)) == (grpc.StatusCode.NOT_FOUND, "as asked")
        await method(b"", timeout=DEADLINE_S)
    await proxy.until(lambda: len(proxy.entries) == 2)
    assert [(entry.response_code, entry.grpc_status) for entry in proxy.entries] == [(200, "5"), (200, "0")]


async def test_our_own_reply_is_one_that_grpc_understands(proxy, make):
    async with through(proxy, make, None) as channel:
        found = await code_of(channel.unary_unary("/t.T/Unary")(b"", timeout=DEADLINE_S))
    assert found == (grpc.StatusCode.UNAVAILABLE, "no healthy upstream")
    (entry,) = proxy.entries
    assert (entry.response_code, entry.grpc_status, entry.response_flags) == (200, "14", "UH")


async def test_grpc_codes_are_retried_as_the_policy_says(proxy, make, service):
    service.answers = [grpc.StatusCode.UNAVAILABLE]
    async with through(proxy, make, service, retry=RetryPolicy(2, ("unavailable",))) as channel:
        assert await channel.unary_unary("/t.T/Unary")(b"hi", timeout=DEADLINE_S) == b"re:hi"
    assert service.calls == 2


async def test_the_clients_deadline_is_kept_by_the_proxy(proxy, make, service):
    async with through(proxy, make, service) as channel:
        found = await code_of(channel.unary_unary("/t.T/Hang")(b"", timeout=0.2))
    assert found[0] is grpc.StatusCode.DEADLINE_EXCEEDED
    await asyncio.wait_for(service.cancelled.wait(), DEADLINE_S)


async def test_a_deadline_in_the_head_ends_the_call(proxy, connect, make):
    origin = await proxy.origin()

    async def respond(request, writer):
        await asyncio.Event().wait()

    origin.respond = respond
    client = await connect(make.forward("c"), make.cluster("c", origin.port))
    stream = client.ask(
        b"POST", b"/t.T/Hang", end=False, content_type=b"application/grpc", grpc_timeout=b"50m"
    )
    client.codec.send_data(stream, b"\0\0\0\0\0", True)
    await asyncio.wait_for(stream.done, DEADLINE_S)
    assert stream.head.fields[b"grpc-status"] == b"4"
    (entry,) = proxy.entries
    assert (entry.response_flags, entry.response_code_details) == ("-", "max_duration_timeout")


@pytest.mark.parametrize(
    ("code", "status", "flag", "reason"),
    [
        (Code.INTERNAL_ERROR, 503, "UR", "remote_reset"),
        (Code.REFUSED_STREAM, 503, "UR", "remote_refused_stream_reset"),
        (Code.CONNECT_ERROR, 503, "UR", "remote_error_with_CONNECT_request"),
        (Code.PROTOCOL_ERROR, 502, "UPE", "protocol_error"),
    ],
)
async def test_a_stream_the_server_resets(proxy, connect, make, code, status, flag, reason):
    loop = asyncio.get_running_loop()
    resetting = await loop.create_server(lambda: ResettingServer(code), "127.0.0.1", 0)
    port = resetting.sockets[0].getsockname()[1]
    client = await connect(make.forward("c"), make.cluster("c", port, http2=True))
    assert (await client.get()).head.status == status
    resetting.close()
    (entry,) = proxy.entries
    assert entry.response_flags == flag
    assert entry.response_code_details == f"upstream_reset_before_response_started{{{reason}}}"


class ResettingServer(asyncio.Protocol):
    """Answers every stream with RST_STREAM."""

    def __init__(self, code):
        loop = asyncio.get_running_loop()
        self.codec = Server(
            lambda connection, number: ResettingStream(connection, number, code),
            Limits(),
            self.flush,
            loop.time,
        )

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.codec.receive_data(data)
        self.flush()

    def flush(self):
        self.transport.write(self.codec.take_output())


class ResettingStream(Stream):
    def __init__(self, connection, number, code):
        super().__init__(connection, number)
        self.code = code

    def head_received(self, message):
        self.connection.reset(self, self.code)


@pytest.mark.parametrize("alpn", [UPSTREAM_ALPN_H2, UPSTREAM_ALPN], ids=["alpn", "preface"])
async def test_http2_over_mutual_tls(proxy, make, service, secrets_of, alpn):
    proxy.worker.contexts.update(secrets_of("bookinfo-productpage"))
    inner, outer = make.free_port(), make.free_port()
    routing = make.routes(Route(RouteMatch(), make.forward("app")))
    manager = HttpConnectionManager("inbound", (Router(),), route_config=routing)
    match = FilterChainMatch(transport_protocol="tls")
    chain = FilterChain("mtls", manager, match, DownstreamTls(INBOUND_HTTP_ALPN))
    near = make.outbound(outer, make.routes(Route(RouteMatch(), make.forward("far"))))
    far = make.cluster("far", inner, http2=True, tls=UpstreamTls("sni", alpn))
    clusters = (make.cluster("app", service.port, http2=True), far)
    listeners = (near, Listener("in", "127.0.0.1", inner, (chain,), direction="INBOUND", inspect_tls=True))
    proxy.config.apply(Resources(clusters=clusters, listeners=listeners, routes=()))
    async with grpc.aio.insecure_channel(f"127.0.0.1:{outer}") as channel:
        assert await channel.unary_unary("/t.T/Unary")(b"hi", timeout=DEADLINE_S) == b"re:hi"
    assert service.calls == 1
