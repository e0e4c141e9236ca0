"""The server over real gRPC; the proxy is a raw stream."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from mesh.model.cluster import Cluster
from mesh.model.resources import Resources
from mesh.xds.codec.codec import TYPE_URLS, decode
from mesh.xds.codec.wire import struct

ONE = Resources(clusters=(Cluster("one", "STATIC"),))
TWO = Resources(clusters=(Cluster("one", "STATIC"), Cluster("two", "STATIC")))


@asynccontextmanager
async def stream(control_plane) -> AsyncIterator:
    async with grpc.aio.insecure_channel(control_plane.address) as channel:
        yield ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).StreamAggregatedResources()


def asks(node, type_name="CDS", **fields):
    message = discovery_pb2.DiscoveryRequest(type_url=TYPE_URLS[type_name], **fields)
    message.node.metadata.CopyFrom(struct(node.to_metadata()))
    return message


def answers(response, error=None):
    message = discovery_pb2.DiscoveryRequest(
        type_url=response.type_url, version_info=response.version_info, response_nonce=response.nonce
    )
    if error is not None:
        message.version_info = ""
        message.error_detail.message = error
    return message


def clusters(response):
    return [decode(packed).name for packed in response.resources]


async def test_a_proxy_gets_what_is_pushed_and_its_acks_are_told(control_plane, source, node):
    source.resources = ONE
    async with stream(control_plane) as call:
        await call.write(asks(node))
        response = await call.read()
        assert clusters(response) == ["one"]
        await call.write(answers(response))
        await source.until(lambda: ("ack", "CDS") in source.events)
        source.push(TWO)
        assert clusters(await call.read()) == ["one", "two"]
        assert source.connections[0].node == node


async def test_a_refusal_is_told_with_the_proxys_words(control_plane, source, node):
    source.resources = ONE
    async with stream(control_plane) as call:
        await call.write(asks(node))
        await call.write(answers(await call.read(), "no such policy"))
        await source.until(lambda: ("nack", "CDS", "no such policy") in source.events)
        status = source.connections[0].status()["CDS"]
        assert (status.status, status.error) == ("ERROR", "no such policy")


async def test_a_half_closed_stream_is_a_clean_leave(control_plane, source, node):
    async with stream(control_plane) as call:
        await call.write(asks(node))
        await source.until(lambda: source.connections)
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
    assert source.events[-1] == ("disconnect", "clean")


async def test_a_cancelled_stream_is_a_break(control_plane, source, node):
    async with stream(control_plane) as call:
        await call.write(asks(node))
        await source.until(lambda: source.connections)
        call.cancel()
        await source.until(lambda: not source.connections)
    assert source.events[-1] == ("disconnect", "broken")


async def test_a_killed_proxy_is_a_break(control_plane, source, node):
    code = (
        "import sys, time, grpc\n"
        "channel = grpc.insecure_channel(sys.argv[1])\n"
        "method = '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources'\n"
        "def requests():\n"
        "    yield bytes.fromhex(sys.argv[2])\n"
        "    time.sleep(60)\n"
        "list(channel.stream_stream(method)(requests()))\n"
    )
    request = asks(node).SerializeToString().hex()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, control_plane.address, request)
    try:
        await source.until(lambda: source.connections)
    finally:
        process.kill()
        await process.wait()
    await source.until(lambda: not source.connections)
    assert source.events[-1] == ("disconnect", "broken")


async def test_who_is_refused_hears_why_and_is_never_disconnected(control_plane, source, node):
    source.refuse = node.name
    async with stream(control_plane) as call:
        await call.write(asks(node))
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await call.read()
    assert ended.value.code() == grpc.StatusCode.PERMISSION_DENIED
    assert ended.value.details() == f"{node.name} may not connect"
    assert source.events == []


async def test_a_node_without_metadata_is_an_invalid_argument(control_plane):
    async with stream(control_plane) as call:
        await call.write(discovery_pb2.DiscoveryRequest(type_url=TYPE_URLS["CDS"]))
        with pytest.raises(grpc.aio.AioRpcError, match="NAME is missing") as ended:
            await call.read()
    assert ended.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_a_type_that_nobody_serves_is_ignored(control_plane, source, node):
    source.resources = ONE
    async with stream(control_plane) as call:
        first = asks(node)
        first.type_url = "type.googleapis.com/istio.networking.nds.v1.NameTable"
        await call.write(first)
        await call.write(asks(node))
        assert clusters(await call.read()) == ["one"]


async def test_the_delta_variant_is_unimplemented_by_name(control_plane, node):
    async with grpc.aio.insecure_channel(control_plane.address) as channel:
        call = ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).DeltaAggregatedResources()
        with pytest.raises(grpc.aio.AioRpcError, match="use StreamAggregatedResources") as ended:
            await call.read()
    assert ended.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_a_proxy_that_does_not_read_is_owed_only_the_newest_state(control_plane, source, node):
    """Its flow control window fills up; what is pushed meanwhile replaces what waits."""
    source.resources = ONE
    async with stream(control_plane) as call:
        await call.write(asks(node))
        await source.until(lambda: source.connections)
        connection = source.connections[0]
        for generation in range(60):
            names = [f"{index}-{generation}" for index in range(100)]
            connection.push(Resources(clusters=tuple(Cluster(name, "STATIC") for name in names)), generation)
            await asyncio.sleep(0)
        received = [clusters(await call.read())]
        while received[-1][-1] != "99-59":
            received.append(clusters(await call.read()))
        assert len(received) < 30


async def test_two_servers_never_share_a_port(control_plane):
    second = type(control_plane)(control_plane.source, control_plane.port)
    with pytest.raises(RuntimeError):
        await second.start()
    await second.server.stop(None)
    second.server = None


async def test_stopping_the_server_breaks_its_streams_in_silence(control_plane, source, node, caplog):
    async with stream(control_plane) as call:
        await call.write(asks(node))
        await source.until(lambda: source.connections)
        await control_plane.stop()
        with pytest.raises(grpc.aio.AioRpcError):
            await call.read()
    await source.until(lambda: source.events[-1] == ("disconnect", "broken"))
    assert not caplog.records
