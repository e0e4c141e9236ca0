from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict

from labs.harness.tap import KEPT_BYTES, Relay, node_of
from labs.harness.tapping import TapPlan, Target


def target(listen: int, port: int) -> Target:
    return Target(
        "reviews-v1",
        "reviews",
        "bookinfo-reviews",
        "default",
        {"app": "reviews"},
        9080,
        listen,
        "127.0.0.1",
        port,
        "t",
    )


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data.upper())
        await writer.drain()
    writer.close()


async def test_bytes_pass_unchanged_and_their_beginning_is_kept(
    unused_tcp_port_factory: Callable[[], int],
) -> None:
    listen, port = unused_tcp_port_factory(), unused_tcp_port_factory()
    relay, sent = Relay(target(listen, port)), b"x" * (3 * KEPT_BYTES)
    async with await asyncio.start_server(echo, "127.0.0.1", port), await relay.start("127.0.0.1"):
        reader, writer = await asyncio.open_connection("127.0.0.1", listen)
        writer.write(sent)
        writer.write_eof()
        assert await reader.read() == sent.upper()
        writer.close()
        await relay.end()
    (flow,) = relay.flows
    assert (flow.pod, flow.total) == ("reviews-v1", 6 * KEPT_BYTES)
    assert flow.sent == sent[:KEPT_BYTES]
    assert flow.answered == sent[:KEPT_BYTES].upper()


async def test_an_open_connection_is_kept_in_the_flows_when_the_tap_ends(
    unused_tcp_port_factory: Callable[[], int],
) -> None:
    listen, port = unused_tcp_port_factory(), unused_tcp_port_factory()
    relay = Relay(target(listen, port))
    async with await asyncio.start_server(echo, "127.0.0.1", port), await relay.start("127.0.0.1"):
        reader, writer = await asyncio.open_connection("127.0.0.1", listen)
        writer.write(b"hello")
        assert await reader.read(5) == b"HELLO"
        await relay.end()
        assert await reader.read() == b""
        writer.close()
    assert [flow.sent for flow in relay.flows] == [b"hello"]


async def test_a_target_that_is_gone_ends_the_connection(unused_tcp_port_factory: Callable[[], int]) -> None:
    listen, port = unused_tcp_port_factory(), unused_tcp_port_factory()
    relay = Relay(target(listen, port))
    async with await relay.start("127.0.0.1"):
        reader, writer = await asyncio.open_connection("127.0.0.1", listen)
        assert await reader.read() == b""
        writer.close()
        await relay.end()


def test_it_poses_as_one_more_endpoint_of_the_pods_service() -> None:
    node = node_of(target(19081, 9080), "127.80.250.1")
    assert (node.service, node.address, node.ports[0].number, node.ports[0].target_port) == (
        "reviews",
        "127.80.250.1",
        9080,
        19081,
    )
    assert node.spiffe_id.service_account == "bookinfo-reviews"


def test_a_plan_survives_the_environment() -> None:

    plan = TapPlan("127.0.0.1:15012", "pem", (target(1, 2),))
    assert TapPlan.from_json(json.dumps(asdict(plan))) == plan
