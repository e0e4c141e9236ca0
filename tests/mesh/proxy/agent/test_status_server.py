from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest

from mesh.model.names import HEALTH_PORT, MERGED_METRICS_PORT
from mesh.model.node import Node
from mesh.proxy.admin_http import HttpServer, Request, Response
from mesh.proxy.agent.envoy_admin import EnvoyAdmin
from mesh.proxy.agent.status_server import StatusServer
from mesh.proxy.istio_stats import IstioStats
from mesh.proxy.stats import Stats

READY = (
    "cluster_manager.cds.update_success: 1\nlistener_manager.lds.update_success: 1\n"
    "listener_manager.workers_started: 1\nserver.state: 0\n"
)


@dataclass
class World:
    status: StatusServer
    envoy: HttpServer
    address: str
    quit: asyncio.Event
    stats: str = READY
    session: aiohttp.ClientSession = field(default_factory=aiohttp.ClientSession)

    def handle(self, request: Request) -> Response:
        return Response(self.stats if request.path == "/stats" else "envoy_server_live 1\n")

    async def get(self, port: int, path: str, method: str = "GET") -> tuple[int, str]:
        async with self.session.request(method, f"http://{self.address}:{port}{path}") as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def world(node: Node) -> AsyncIterator[World]:
    envoy = HttpServer(lambda request: made.handle(request))
    await envoy.start("127.0.0.1", 0)
    quit = asyncio.Event()
    status = StatusServer(EnvoyAdmin(*envoy.address), IstioStats(node), Stats(), "0.1.0", quit.set)
    await status.start(node.address)
    made = World(status, envoy, node.address, quit)
    yield made
    await made.session.close()
    await status.stop()
    await envoy.stop()


@pytest.mark.parametrize("port", [HEALTH_PORT, MERGED_METRICS_PORT])
async def test_ready_only_while_envoy_is_configured_and_not_draining(world: World, port: int) -> None:
    assert (await world.get(port, "/healthz/ready"))[0] == 200
    world.stats = "server.state: 2\n"
    assert await world.get(port, "/healthz/ready") == (503, "no clusters from the control plane yet\n")
    world.stats = READY
    world.status.draining = True
    assert await world.get(port, "/healthz/ready") == (503, "draining\n")


async def test_not_ready_while_there_is_no_envoy(world: World) -> None:
    await world.envoy.stop()
    status, reason = await world.get(HEALTH_PORT, "/healthz/ready")
    assert status == 503
    assert "envoy's admin interface" in reason


async def test_one_page_holds_envoys_metrics_and_istios(world: World) -> None:
    status, text = await world.get(MERGED_METRICS_PORT, "/stats/prometheus")
    assert status == 200
    assert "envoy_server_live 1\n" in text
    assert 'istio_build{component="proxy",tag="0.1.0"} 1\n' in text


async def test_our_counts_are_shown_though_envoy_is_gone(world: World) -> None:
    await world.envoy.stop()
    status, text = await world.get(MERGED_METRICS_PORT, "/stats/prometheus")
    assert status == 200
    assert "istio_build" in text


async def test_quitquitquit_must_be_posted(world: World) -> None:
    assert (await world.get(MERGED_METRICS_PORT, "/quitquitquit"))[0] == 405
    assert not world.quit.is_set()
    assert (await world.get(MERGED_METRICS_PORT, "/quitquitquit", "POST"))[0] == 200
    await asyncio.wait_for(world.quit.wait(), 5)


async def test_knows_no_other_path(world: World) -> None:
    assert (await world.get(HEALTH_PORT, "/quitquitquit", "POST"))[0] == 404
    assert (await world.get(MERGED_METRICS_PORT, "/"))[0] == 404
