from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import pytest
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2
from envoy.service.secret.v3 import sds_pb2_grpc

from mesh.model.cluster import Cluster
from mesh.model.node import Node
from mesh.proxy.agent import control_plane as way
from mesh.proxy.agent.forwarder import Forwarder
from mesh.proxy.agent.unix_server import UnixServer
from mesh.proxy.bootstrap import Bootstrap
from mesh.xds.codec.codec import TYPE_URLS

DEADLINE_S = 10.0
CDS = discovery_pb2.DiscoveryRequest(type_url=TYPE_URLS["CDS"])


@dataclass
class Sidecar:
    forwarder: Forwarder
    channel: grpc.aio.Channel

    def ads(self) -> Any:
        return ads_pb2_grpc.AggregatedDiscoveryServiceStub(self.channel).StreamAggregatedResources()


@pytest.fixture
async def sidecar(bootstrap: Bootstrap) -> AsyncIterator[Sidecar]:
    forwarder = Forwarder(partial(way.open_channel, bootstrap))
    bootstrap.run_dir.mkdir()
    server = UnixServer(bootstrap.run_dir, "x", forwarder.add_to_server)
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{server.path}") as channel:
        yield Sidecar(forwarder, channel)
    await server.stop()


async def test_carries_requests_and_answers_under_the_workloads_identity(
    sidecar: Sidecar, control_plane: Any, node: Node
) -> None:
    control_plane.ads.resources["CDS"] = [Cluster("a", "EDS"), Cluster("b", "EDS")]
    call = sidecar.ads()
    await call.write(CDS)
    response = await asyncio.wait_for(call.read(), DEADLINE_S)
    assert len(response.resources) == 2
    assert control_plane.ads.requests == [CDS]
    assert control_plane.ads.callers == [node.spiffe_id]
    call.cancel()


async def test_a_stream_gets_the_token_of_its_time(
    sidecar: Sidecar, control_plane: Any, bootstrap: Bootstrap
) -> None:
    good = bootstrap.token_file.read_text()
    bootstrap.token_file.write_text("stale")
    refused = sidecar.ads()
    await refused.write(CDS)
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await refused.read()
    assert failure.value.code() == grpc.StatusCode.UNAUTHENTICATED
    bootstrap.token_file.write_text(good)
    call = sidecar.ads()
    await call.write(CDS)
    assert (await asyncio.wait_for(call.read(), DEADLINE_S)).type_url == TYPE_URLS["CDS"]
    call.cancel()


async def test_ends_streams_while_the_control_plane_is_away_and_forwards_again_when_it_is_back(
    sidecar: Sidecar, control_plane: Any
) -> None:
    call = sidecar.ads()
    await call.write(CDS)
    await asyncio.wait_for(call.read(), DEADLINE_S)
    await control_plane.stop()
    with pytest.raises(grpc.aio.AioRpcError):
        await asyncio.wait_for(call.read(), DEADLINE_S)
    await control_plane.start()
    async with asyncio.timeout(DEADLINE_S):
        while True:  # as Envoy does
            again = sidecar.ads()
            try:
                await again.write(CDS)
                assert (await again.read()).type_url == TYPE_URLS["CDS"]
                break
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await asyncio.sleep(0.05)
    again.cancel()


async def test_an_end_from_envoy_reaches_the_control_plane_as_a_clean_one(
    sidecar: Sidecar, control_plane: Any
) -> None:
    call = sidecar.ads()
    await call.write(CDS)
    await asyncio.wait_for(call.read(), DEADLINE_S)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    await asyncio.wait_for(control_plane.ads.ended_cleanly.wait(), DEADLINE_S)


async def test_leaving_ends_the_stream_cleanly_at_the_control_plane_and_holds_envoys(
    sidecar: Sidecar, control_plane: Any
) -> None:
    call = sidecar.ads()
    await call.write(CDS)
    await asyncio.wait_for(call.read(), DEADLINE_S)
    await asyncio.wait_for(sidecar.forwarder.leave(), DEADLINE_S)
    assert control_plane.ads.ended_cleanly.is_set()
    reading = asyncio.create_task(call.read())
    await asyncio.wait({reading}, timeout=0.2)
    assert not reading.done(), "Envoy's stream stays open"
    another = sidecar.ads()
    with pytest.raises(grpc.aio.AioRpcError, match="this sidecar is leaving"):
        await another.read()
    call.cancel()
    await asyncio.wait({reading})


async def test_forwards_nothing_else(sidecar: Sidecar) -> None:
    call = sds_pb2_grpc.SecretDiscoveryServiceStub(sidecar.channel).StreamSecrets()
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call.read()
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_without_a_root_certificate_a_stream_ends_saying_so(
    sidecar: Sidecar, bootstrap: Bootstrap
) -> None:
    bootstrap.root_cert.unlink()
    with pytest.raises(grpc.aio.AioRpcError, match=r"root-cert\.pem"):
        await sidecar.ads().read()
