"""The real Envoy as the server's client: each pitfall of ADS that was once measured, as a test."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.http_filter import FileAccessLog, IstioStats, Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.resources import Resources
from mesh.model.route import Forward, Route, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster

pytestmark = pytest.mark.envoy

ROUTER = (Router(),)

# what an unanswered subscription costs in Envoy is its initial fetch timeout of 15 s; at once is well below
AT_ONCE_S = 5.0


@pytest.fixture
async def upstreams():
    """Ports of two servers that answer with their own name: {"a": port, "b": port}."""
    runners, ports = [], {}
    for name in "ab":
        app = web.Application()

        async def answer(_request, name=name):
            return web.Response(text=name)

        app.router.add_get("/", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        ports[name] = runner.addresses[0][1]
        runners.append(runner)
    yield ports
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
def mesh(upstreams):
    """Make a configuration: EDS clusters named "a" and "b" (if listed), one listener, one route."""

    def make(names="ab", to="a", timeout_s=10.0, filters=ROUTER, access_log=""):
        logs = (FileAccessLog(access_log),) if access_log else ()
        manager = HttpConnectionManager("m", filters, "9080", access_logs=logs)
        host = VirtualHost("all", ("*",), (Route(RouteMatch(), Forward((WeightedCluster(to),))),))
        return Resources(
            clusters=tuple(Cluster(name, "EDS", connect_timeout_s=timeout_s) for name in names),
            endpoints=tuple(
                ClusterLoadAssignment(name, (LocalityEndpoints((Endpoint("127.0.0.1", upstreams[name]),)),))
                for name in names
            ),
            listeners=(Listener("l", "127.0.0.1", 0, (FilterChain("c", manager),)),),
            routes=(RouteConfiguration("9080", (host,)),),
        )

    return make


async def served(source, resources) -> float:
    """Push, wait until Envoy has ACKed it whole; the seconds that took."""
    loop = asyncio.get_running_loop()
    started = loop.time()
    await source.until_acked(source.push(resources))
    return loop.time() - started


async def ask(envoy, url) -> str:
    async with envoy.http.get(url) as response:
        return await response.text() if response.status == 200 else f"{response.status}"


async def test_a_changed_cluster_is_warm_at_once(envoy, source, mesh):
    """Pitfall a: without endpoints after a changed cluster, Envoy waits 15 s for them."""
    await served(source, mesh())
    assert await served(source, mesh(timeout_s=3.0)) < AT_ONCE_S
    assert await envoy.stat("cluster_manager.warming_clusters") == 0
    dump = await envoy.admin_json("/config_dump?resource=dynamic_active_clusters")
    assert {each["cluster"]["connect_timeout"] for each in dump["configs"]} == {"3s"}


async def test_a_changed_listener_is_warm_at_once(envoy, source, mesh):
    """Its routes are subscribed to already and do not come again."""
    await served(source, mesh())
    assert await served(source, mesh(access_log="/dev/null")) < AT_ONCE_S
    await envoy.until_stat("listener_manager.total_listeners_warming", 0)


async def test_a_cluster_without_endpoints_does_not_hold_up_the_start(envoy, source, mesh):
    """Pitfall e: an endpoint set that nobody knows is answered with an empty one."""
    lonely = mesh("a")
    lonely = Resources((*lonely.clusters, Cluster("lonely", "EDS")), *(getattr(lonely, f) for f in _REST))
    assert await served(source, lonely) < AT_ONCE_S
    assert await ask(envoy, await envoy.url("l")) == "a"


_REST = ("endpoints", "listeners", "routes")


async def test_a_live_connection_follows_the_new_routes_once_they_are_acked(envoy, source, mesh):
    await served(source, mesh())
    url = await envoy.url("l")
    for to in "babab":
        assert await served(source, mesh(to=to)) < AT_ONCE_S
        assert [await ask(envoy, url) for _ in range(5)] == [to] * 5


async def test_clusters_come_and_go_under_load_without_one_failed_request(envoy, source, mesh):
    """Make before break: each push takes away the very cluster that all traffic went to."""
    await served(source, mesh("a", "a"))
    url = await envoy.url("l")
    answers: asyncio.Queue[str] = asyncio.Queue()
    seen: set[str] = set()

    async def load() -> None:
        while True:
            answers.put_nowait(await ask(envoy, url))

    async with asyncio.TaskGroup() as group:
        loads = [group.create_task(load()) for _ in range(4)]
        for index in range(12):
            name = "ba"[index % 2]
            await served(source, mesh(name, name))
            for _ in range(answers.qsize() + 20):
                seen.add(await answers.get())
        for task in loads:
            task.cancel()
    assert seen == {"a", "b"}


async def test_what_envoy_refuses_is_recorded_with_its_reason_and_the_old_serves_on(envoy, source, mesh):
    await served(source, mesh())
    url = await envoy.url("l")
    source.push(mesh(filters=(IstioStats("source"), Router())))  # a filter that a stock Envoy has not
    await source.until(lambda: any(event[:2] == ("nack", "LDS") for event in source.events))
    status = source.connections[0].status()["LDS"]
    assert status.status == "ERROR"
    assert "istio.stats" in status.error
    assert source.connections[0].acked_generation == source.generation - 1
    assert await ask(envoy, url) == "a"
    assert await served(source, mesh(to="b")) < AT_ONCE_S
    assert await ask(envoy, url) == "b"


async def test_a_control_plane_that_comes_back_with_other_content_is_followed(envoy, control_plane, mesh):
    """Pitfalls c and d: versions are hashes of content, so new content never looks like the old."""
    source = control_plane.source
    await served(source, mesh())
    url = await envoy.url("l")
    await control_plane.stop()
    await source.until(lambda: not source.connections)
    assert await ask(envoy, url) == "a"
    source.resources = mesh(to="b", timeout_s=4.0)
    await control_plane.start()
    await source.until_acked(source.generation)
    assert await ask(envoy, url) == "b"


async def test_a_configuration_that_becomes_empty_is_acked_too(envoy, source, mesh):
    await served(source, mesh())
    assert await served(source, Resources()) < AT_ONCE_S
    assert await served(source, mesh()) < AT_ONCE_S
    assert await ask(envoy, await envoy.url("l")) == "a"


async def test_a_killed_envoy_did_not_leave_cleanly(envoy, source, mesh):
    await served(source, mesh())
    envoy.process.kill()
    await source.until(lambda: source.events[-1] == ("disconnect", "broken"))
