"""Configuration changes under a running proxy: at once, whole, and without breaking what may live."""

import asyncio

import pytest

from mesh.model.cluster import Cluster
from mesh.model.http_filter import HeaderToMetadata, Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.resources import Resources
from mesh.model.route import DirectResponse, HeaderMatch, Route, RouteMatch, StringMatch
from mesh.xds.errors import Rejected


def rds_listener(port, make):
    manager = HttpConnectionManager("out", (Router(),), route_config_name="9080")
    return Listener("out", "127.0.0.1", port, (FilterChain("c", manager),), direction="OUTBOUND")


@pytest.fixture
def resources(make):
    port = make.free_port()

    def build(status, clusters=(), endpoints=()):
        routing = make.routes(
            Route(RouteMatch(), DirectResponse(status) if isinstance(status, int) else status)
        )
        return Resources(clusters, endpoints, (rds_listener(port, make),), (routing,))

    build.port = port
    return build


async def test_the_next_request_on_a_live_connection_follows_the_new_route(proxy, resources):
    proxy.config.apply(resources(201))
    client = await proxy.client(resources.port)
    assert (await client.get())[0] == 201
    proxy.config.apply(resources(202))
    assert (await client.get())[0] == 202


async def test_a_refused_configuration_changes_nothing(proxy, resources, make):
    proxy.config.apply(resources(201))
    client = await proxy.client(resources.port)
    bad = make.routes(
        Route(RouteMatch(headers=(HeaderMatch("a", StringMatch("regex", "(")),)), DirectResponse(202))
    )
    good = resources(202)
    with pytest.raises(Rejected, match=r"9080: any: regex '\(': missing \)"):
        proxy.config.apply(Resources((make.cluster("new"),), (), good.listeners, (bad,)))
    assert proxy.config.resources == resources(201)
    assert proxy.worker.clusters == {}
    assert (await client.get())[0] == 201


async def test_a_port_that_is_taken_is_refused_and_leaves_no_socket(proxy, resources, make):
    origin = await proxy.origin()
    free = make.free_port()
    taken = make.outbound(origin.port, make.routes())
    with pytest.raises(Rejected, match="cannot bind"):
        proxy.config.apply(Resources(listeners=(make.outbound(free, make.routes()), taken)))
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", free)


async def test_filters_there_are_not_are_refused_by_name(proxy, make):
    manager = HttpConnectionManager(
        "p", (HeaderToMetadata("a", "b", "c"), Router()), route_config=make.routes()
    )
    listener = Listener("l", "127.0.0.1", 1, (FilterChain("c", manager),))
    with pytest.raises(Rejected, match="HeaderToMetadata is not supported"):
        proxy.config.apply(Resources(listeners=(listener,)))


async def test_an_endpoint_that_leaves_is_drained_and_its_request_finishes(proxy, resources, make):
    old, new = await proxy.origin(), await proxy.origin()
    release = asyncio.Event()

    async def slow(request, writer):
        await release.wait()
        writer.write(old.response)

    old.respond = slow
    cluster = Cluster("c", "EDS")
    forward = make.forward("c")
    proxy.config.apply(resources(forward, (cluster,), (make.endpoints("c", old.port),)))
    first, second = await proxy.client(resources.port), await proxy.client(resources.port)
    first.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await proxy.until(lambda: old.requests)
    pool = next(iter(proxy.worker.clusters["c"].hosts.values())).pool
    proxy.config.apply(resources(forward, (cluster,), (make.endpoints("c", new.port),)))
    assert (await second.get())[0] == 200
    assert len(new.requests) == 1
    release.set()
    assert (await first.response())[0] == 200
    await proxy.until(lambda: not pool.all)
    assert (await first.get())[0] == 200
    assert len(new.requests) == 2


async def test_a_changed_cluster_gets_the_endpoints_it_had(proxy, resources, make):
    origin = await proxy.origin()
    endpoints = (make.endpoints("c", origin.port),)
    proxy.config.apply(resources(make.forward("c"), (Cluster("c", "EDS"),), endpoints))
    client = await proxy.client(resources.port)
    assert (await client.get())[0] == 200
    changed = Cluster("c", "EDS", lb_policy="ROUND_ROBIN")
    proxy.config.apply(resources(make.forward("c"), (changed,), endpoints))
    assert (await client.get())[0] == 200
    assert origin.connections == 2


async def test_unchanged_parts_keep_their_connections(proxy, resources, make):
    origin = await proxy.origin()
    clusters = (make.cluster("c", origin.port),)
    proxy.config.apply(resources(make.forward("c"), clusters))
    client = await proxy.client(resources.port)
    await client.get()
    proxy.config.apply(resources(make.forward("c", timeout_s=5.0), clusters))
    await client.get()
    assert origin.connections == 1


async def test_a_removed_listener_closes_its_door_and_lets_its_guests_finish(proxy, resources, make):
    origin = await proxy.origin(b"")
    proxy.config.apply(resources(make.forward("c"), (make.cluster("c", origin.port),)))
    idle, busy = await proxy.client(resources.port), await proxy.client(resources.port)
    busy.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await proxy.until(lambda: origin.requests and len(proxy.config.listeners["out"].chains["c"].live) == 2)
    cluster_only = Resources((make.cluster("c", origin.port),))
    proxy.config.apply(cluster_only)
    assert await idle.closed() == b""
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.open_connection("127.0.0.1", resources.port)
    proxy.config.apply(resources(201))
    again = await proxy.client(resources.port)
    assert (await again.get())[0] == 201


async def test_routes_that_have_not_come_are_404(proxy, resources):
    proxy.config.apply(Resources(listeners=resources(200).listeners))
    client = await proxy.client(resources.port)
    assert (await client.get())[0] == 404
