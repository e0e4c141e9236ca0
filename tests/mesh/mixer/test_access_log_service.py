"""Streams that are odd, foreign or forged; and the real Envoy's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.http_filter import GrpcAccessLog, MetadataTag, Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.names import CONTROL_PLANE_CLUSTER
from mesh.model.node import Node
from mesh.model.route import DirectResponse, Route, RouteConfiguration, RouteMatch, VirtualHost
from mesh.proxy.agent.envoy_binary import NoEnvoyError, find_envoy
from mesh.proxy.config_dump import as_json
from mesh.xds.codec.access_log import encode_entry
from mesh.xds.codec.connection_log import encode_connection
from mesh.xds.codec.wire import struct

if TYPE_CHECKING:
    from tests.mesh.mixer.conftest import MixerServer

Message = als_pb2.StreamAccessLogsMessage


def identified(metadata: dict[str, Any], *entries: AccessLogEntry) -> Any:
    node = base_pb2.Node(id="x", metadata=struct(metadata))
    logs = [encode_entry(entry) for entry in entries]
    return Message(identifier={"node": node, "log_name": "mixer"}, http_logs={"log_entry": logs})


async def stream(server: MixerServer, *messages: Any) -> None:
    """Send and end in order. Raises AioRpcError when the server refuses."""

    async def sent() -> AsyncIterator[Any]:
        for message in messages:
            yield message

    async with server.channel() as channel:
        await als_pb2_grpc.AccessLogServiceStub(channel).StreamAccessLogs(sent())


async def test_later_messages_are_the_first_ones_nodes(
    mixer_server: MixerServer, node: Node, entry: AccessLogEntry
) -> None:
    more = Message(http_logs={"log_entry": [encode_entry(entry)] * 2})
    await stream(mixer_server, identified(node.to_metadata(), entry), more, more)
    received = mixer_server.value("mixer_access_log_entries_total", {"proxy": "productpage-v1-0.default"})
    assert received == 5


async def test_reports_of_connections_are_received_too(
    mixer_server: MixerServer, node: Node, entry: AccessLogEntry
) -> None:
    report = replace(entry, access_log_type="TcpConnectionEnd", stream_id="a")
    connections = Message(tcp_logs={"log_entry": [encode_connection(report)] * 2})
    await stream(mixer_server, identified(node.to_metadata(), entry), connections)
    assert mixer_server.value("mixer_access_log_entries_total", {"proxy": "productpage-v1-0.default"}) == 3


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"SERVICE_ACCOUNT": "bookinfo-reviews"}, grpc.StatusCode.PERMISSION_DENIED, "is not of spiffe://"),
        ({"NAMESPACE": "prod"}, grpc.StatusCode.PERMISSION_DENIED, "is not of spiffe://"),
        ({"NAME": None}, grpc.StatusCode.INVALID_ARGUMENT, "NAME is missing"),
    ],
)
async def test_a_node_that_is_another_identitys_or_nobodys_is_refused(
    mixer_server: MixerServer, node: Node, entry: AccessLogEntry, change: dict[str, Any], code: Any, said: str
) -> None:
    metadata = {key: value for key, value in (node.to_metadata() | change).items() if value is not None}
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stream(mixer_server, identified(metadata, entry))
    assert (refused.value.code(), said in str(refused.value.details())) == (code, True)
    async with asyncio.timeout(5):  # the client may hear of the end before the servicer is through with it
        while mixer_server.value("mixer_access_log_streams"):  # noqa: ASYNC110 - a gauge has no event
            await asyncio.sleep(0.001)


async def test_a_stream_that_does_not_say_who_it_is_is_refused(
    mixer_server: MixerServer, entry: AccessLogEntry
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stream(mixer_server, Message(http_logs={"log_entry": [encode_entry(entry)]}))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def test_an_odd_entry_costs_no_sound_one(
    mixer_server: MixerServer, node: Node, entry: AccessLogEntry
) -> None:
    odd = encode_entry(entry)
    odd.common_properties.start_time.seconds = 1 << 62
    odd.common_properties.custom_tags["source_peer"] = "!!"
    message = identified(node.to_metadata(), entry, entry)
    message.http_logs.log_entry.insert(1, odd)
    await stream(mixer_server, message)
    mixer_server.mixer.close()
    lines = (mixer_server.directory / "access_log.jsonl").read_text().splitlines()
    assert [json.loads(line)["request_id"] for line in lines if '"2023' in line] == [entry.request_id] * 2


def envoy_bootstrap(node: Node, mixer_port: int, port: int) -> dict[str, Any]:
    """An Envoy that answers every request itself and logs it to mixer."""
    tags = (MetadataTag("reporter", "literal", "source"),)
    manager = HttpConnectionManager(
        "out",
        (Router(),),
        route_config=RouteConfiguration(
            "r",
            (VirtualHost("v", ("*",), (Route(RouteMatch(), DirectResponse(418, b"tea"), name="teapot"),)),),
        ),
        access_logs=(GrpcAccessLog("mixer", CONTROL_PLANE_CLUSTER, tags, flush_interval_s=0.05),),
    )
    listener = as_json(Listener("l", "127.0.0.1", port, (FilterChain("c", manager),)))
    del listener["@type"]
    address = {"socket_address": {"address": "127.0.0.1", "port_value": mixer_port}}
    cluster = {
        "name": CONTROL_PLANE_CLUSTER,
        "type": "STATIC",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": CONTROL_PLANE_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
    return {
        "node": {"id": node.id, "cluster": node.workload, "metadata": node.to_metadata()},
        "static_resources": {"listeners": [listener], "clusters": [cluster]},
    }


async def envoy_port(process: asyncio.subprocess.Process, port: int) -> None:
    """Wait until it listens."""
    async with asyncio.timeout(20):
        while True:
            assert process.returncode is None, "envoy ended"
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return


@pytest.mark.envoy
async def test_the_real_envoys_entries_are_read_to_the_request(
    mixer_server: MixerServer, node: Node, tmp_path: Path
) -> None:
    try:
        binary = find_envoy()
    except NoEnvoyError as missing:
        pytest.skip(str(missing))
    port = 20000 + mixer_server.port % 10000
    config = tmp_path / "envoy.json"
    config.write_text(json.dumps(envoy_bootstrap(replace(node, engine="envoy"), mixer_server.port, port)))
    process = await asyncio.create_subprocess_exec(
        *(str(binary), "-c", str(config), "--concurrency", "1", "--disable-hot-restart", "-l", "error")
    )
    try:
        await envoy_port(process, port)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in range(200):
            writer.write(f"GET /{number} HTTP/1.1\r\nHost: reviews:9080\r\nUser-Agent: t\r\n\r\n".encode())
            await reader.readuntil(b"tea")
        writer.close()
        proxy = {"proxy": "productpage-v1-0.default"}
        async with asyncio.timeout(10):
            while mixer_server.value("mixer_access_log_entries_total", proxy) != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        process.terminate()
        await process.wait()
    mixer_server.mixer.close()
    lines = [
        json.loads(line) for line in (mixer_server.directory / "access_log.jsonl").read_text().splitlines()
    ]
    assert sorted(int(line["path"][1:]) for line in lines) == list(range(200))
    first = lines[0]
    assert (first["response_code"], first["authority"], first["user_agent"]) == (418, "reviews:9080", "t")
    assert (first["reporter"], first["source_workload"], first["bytes_sent"]) == (
        "source",
        "productpage-v1",
        3,
    )
    assert first["response_code_details"] == "direct_response"
    assert first["route_name"] == "teapot"
