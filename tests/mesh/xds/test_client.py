"""Our client against our server, over real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from mesh.grpc.channel import Channel
from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.http_filter import Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.resources import Resources
from mesh.model.route import Forward, Route, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster
from mesh.xds.client import AdsClient
from mesh.xds.errors import Rejected


def mesh(*clusters: str, to: str = "") -> Resources:
    manager = HttpConnectionManager("m", (Router(),), "9080")
    action = Forward((WeightedCluster(to or clusters[0]),))
    host = VirtualHost("all", ("*",), (Route(RouteMatch(), action),))
    group = LocalityEndpoints((Endpoint("127.0.0.1", 1),))
    return Resources(
        clusters=tuple(Cluster(name, "EDS") for name in clusters),
        endpoints=tuple(ClusterLoadAssignment(name, (group,)) for name in clusters),
        listeners=(Listener("l", "127.0.0.1", 1, (FilterChain("c", manager),)),),
        routes=(RouteConfiguration("9080", (host,)),),
    )


def destination(resources: Resources) -> str:
    action = resources.routes[0].virtual_hosts[0].routes[0].action
    assert isinstance(action, Forward)
    return action.clusters[0].name


@dataclass
class Proxy:
    """Applies what it gets, unless ``refuse`` has a reason not to."""

    applied: list[Resources] = field(default_factory=list)
    refuse: Callable[[Resources], str] = lambda _: ""

    def apply(self, resources: Resources) -> None:
        if reason := self.refuse(resources):
            raise Rejected(reason)
        self.applied.append(resources)


@pytest.fixture
def proxy() -> Proxy:
    return Proxy()


@pytest.fixture
async def client(control_plane, node, proxy):
    made = AdsClient(node, lambda: Channel(("127.0.0.1", control_plane.port)), proxy.apply)
    yield made
    await made.stop()


async def configured(client) -> None:
    async with asyncio.timeout(10):
        await client.configured.wait()


async def test_it_gets_the_whole_configuration_and_says_so(client, source, proxy):
    source.resources = mesh("a", "b")
    client.start()
    await configured(client)
    assert proxy.applied[-1] == mesh("a", "b")
    await source.until_acked(1)
    status = {name: status.status for name, status in source.connections[0].status().items()}
    assert status == dict.fromkeys(("CDS", "EDS", "LDS", "RDS"), "SYNCED") | {"SDS": "IGNORED"}


async def test_a_change_is_acked_only_when_it_is_served(client, source, proxy):
    source.resources = mesh("a", "b")
    client.start()
    await configured(client)
    await source.until_acked(source.push(mesh("a", "b", to="b")))
    assert destination(proxy.applied[-1]) == "b"


async def test_every_step_of_a_change_has_a_cluster_for_every_route(client, source, proxy):
    source.resources = mesh("a")
    client.start()
    await configured(client)
    for resources in (mesh("b"), mesh("a", "b"), mesh("b", "c", to="c"), mesh("a")):
        await source.until_acked(source.push(resources))
        assert proxy.applied[-1] == resources
    for step in proxy.applied:
        if step.routes:
            assert destination(step) in [each.cluster_name for each in step.endpoints if each.localities]


async def test_what_the_proxy_refuses_is_told_and_the_old_serves_on(client, source, proxy):
    source.resources = mesh("a", "b")
    client.start()
    await configured(client)
    await source.until_acked(1)
    proxy.refuse = lambda resources: "b is not nice" if destination(resources) == "b" else ""
    source.push(mesh("a", "b", to="b"))
    await source.until(lambda: ("nack", "RDS", "b is not nice") in source.events)
    assert source.connections[0].acked_generation == 1
    await source.until_acked(source.push(mesh("a", "b")))
    assert destination(proxy.applied[-1]) == "a"


async def test_a_bug_in_applying_is_a_refusal_and_the_stream_lives_on(client, source, proxy):
    source.resources = mesh("a", "b")
    client.start()
    await configured(client)
    await source.until_acked(1)
    proxy.refuse = lambda resources: {}["oops"] if destination(resources) == "b" else ""
    source.push(mesh("a", "b", to="b"))
    await source.until(lambda: ("nack", "RDS", "internal error: KeyError('oops')") in source.events)
    await source.until_acked(source.push(mesh("a", "b")))


async def test_leaving_is_told_from_breaking(client, source):
    source.resources = mesh("a")
    client.start()
    await configured(client)
    await client.leave()
    assert source.events[-1] == ("disconnect", "clean")


async def test_stopping_looks_like_a_crash(client, source):
    source.resources = mesh("a")
    client.start()
    await configured(client)
    await client.stop()
    await source.until(lambda: source.events[-1] == ("disconnect", "broken"))


async def test_leaving_without_a_control_plane_does_not_wait(client, control_plane):
    await control_plane.stop()
    client.start()
    async with asyncio.timeout(2):
        await client.leave()


async def test_it_serves_on_without_a_control_plane_and_takes_the_next_change(client, control_plane, proxy):
    """xds-notes, pitfalls c and d: a control plane that comes back with other content."""
    source = control_plane.source
    source.resources = mesh("a", "b")
    client.start()
    await configured(client)
    await control_plane.stop()
    await source.until(lambda: not source.connections)
    applied = len(proxy.applied)
    source.resources = mesh("a", "b", to="b")
    await control_plane.start()
    await source.until_acked(source.generation)
    assert destination(proxy.applied[-1]) == "b"
    assert all(step.listeners for step in proxy.applied[applied:])


async def test_coming_back_to_the_same_content_changes_nothing(client, control_plane, proxy):
    source = control_plane.source
    source.resources = mesh("a")
    client.start()
    await configured(client)
    await source.until_acked(1)
    applied = len(proxy.applied)
    await control_plane.stop()
    await control_plane.start()
    await source.until(lambda: source.events.count(("connect", "reviews-v1-0")) == 2)
    await source.until_acked(1)
    assert len(proxy.applied) == applied


async def test_two_hundred_changes_in_a_row_end_with_the_last(client, source, proxy):
    source.resources = mesh("a", "b")
    client.start()
    await configured(client)
    for index in range(200):
        generation = source.push(mesh("a", "b", to="ab"[index % 2]))
        await asyncio.sleep(0)
    await source.until_acked(generation)
    assert destination(proxy.applied[-1]) == "b"
