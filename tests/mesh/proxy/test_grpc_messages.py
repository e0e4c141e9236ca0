"""Messages of gRPC calls: counted in any pieces, and through a proxy for each kind of call."""

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.http.message import Framing, Request
from mesh.model.resources import Resources
from mesh.model.route import Route, RouteMatch
from mesh.proxy.grpc_messages import GrpcBody, MessageCount, counted_body_of
from mesh.proxy.request_body import TunnelBody

DEADLINE_S = 5.0


def frame(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4) + message


@given(st.lists(st.binary(max_size=20), max_size=6), st.lists(st.integers(1, 9)))
def test_any_pieces_hold_as_many_messages(messages, sizes):
    body, count = b"".join(map(frame, messages)), MessageCount()
    for size in [*sizes, len(body)]:
        count.receive(body[:size])
        body = body[size:]
    assert count.messages == len(messages)


def test_a_message_counts_when_it_begins():
    count = MessageCount()
    count.receive(frame(b"abc") + b"\0")
    assert count.messages == 2


def request(content_type, framing=Framing.CHUNKED):
    return Request(b"POST", b"/t.T/U", b"a", {b"content-type": content_type}, [], framing, False)


def test_only_the_bodies_of_calls_are_counted():
    body = counted_body_of(request(b"application/grpc+proto"), False)
    assert isinstance(body, GrpcBody)
    assert not isinstance(counted_body_of(request(b"application/json"), False), GrpcBody)
    assert isinstance(counted_body_of(request(b"application/grpc", Framing.TUNNEL), False), TunnelBody)


@pytest.fixture
async def channel(proxy, make):
    """To a server with a method of each kind, through a proxy."""

    async def unary(message, context):
        return message

    async def many(message, context):
        for _ in range(3):
            yield message

    async def collect(messages, context):
        return b"%d" % len([message async for message in messages])

    async def echo(messages, context):
        async for message in messages:
            yield message

    methods = {
        "Unary": grpc.unary_unary_rpc_method_handler(unary),
        "Many": grpc.unary_stream_rpc_method_handler(many),
        "Collect": grpc.stream_unary_rpc_method_handler(collect),
        "Echo": grpc.stream_stream_rpc_method_handler(echo),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", methods),))
    cluster = make.cluster("app", server.add_insecure_port("127.0.0.1:0"), http2=True)
    await server.start()
    port = make.free_port()
    listener = make.outbound(port, make.routes(Route(RouteMatch(), make.forward("app"))))
    proxy.config.apply(Resources((cluster,), listeners=(listener,), routes=()))
    made = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    yield made
    await made.close()
    await server.stop(0)


async def test_each_kind_of_call(proxy, channel):
    async def two():
        yield b"x" * 100_000
        yield b""

    await channel.unary_unary("/t.T/Unary")(b"", timeout=DEADLINE_S)
    assert len([m async for m in channel.unary_stream("/t.T/Many")(b"m", timeout=DEADLINE_S)]) == 3
    await channel.stream_unary("/t.T/Collect")(two(), timeout=DEADLINE_S)
    assert len([m async for m in channel.stream_stream("/t.T/Echo")(two(), timeout=DEADLINE_S)]) == 2
    await proxy.until(lambda: len(proxy.entries) == 4)
    counted = [(entry.request_messages, entry.response_messages) for entry in proxy.entries]
    assert counted == [(1, 1), (1, 3), (2, 1), (2, 2)]
