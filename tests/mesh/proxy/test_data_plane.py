"""The data plane of one process: it serves what it is given and counts what it does."""

import gc
from pathlib import Path

import pytest

from mesh.model.resources import Resources
from mesh.model.route import Route, RouteMatch
from mesh.proxy import data_plane
from mesh.proxy.bootstrap import Bootstrap
from mesh.proxy.cluster import RuntimeCluster
from mesh.proxy.data_plane import DataPlane
from mesh.xds.errors import Rejected


@pytest.fixture
async def plane(proxy):
    made = DataPlane(proxy.node, Bootstrap("127.0.0.1:1", Path("r"), Path("t"), Path("/")))
    yield made
    made.drain(graceful=False)
    await made.close()


async def served(proxy, plane, make):
    """Its client, and the origin behind it."""
    origin, port = await proxy.origin(), make.free_port()
    routing = make.routes(Route(RouteMatch(), make.forward("c")))
    plane.apply(Resources((make.cluster("c", origin.port),), (), (make.outbound(port, routing),)))
    return await proxy.client(port), origin


async def test_a_tally_has_what_endpoints_did(proxy, plane, make):
    client, origin = await served(proxy, plane, make)
    await client.get()
    origin.response = b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"
    await client.get()
    (cluster,) = plane.tally().clusters
    (endpoint,) = cluster.endpoints
    assert (cluster.name, endpoint.address, endpoint.port) == ("c", "127.0.0.1", origin.port)
    assert (endpoint.rq_total, endpoint.rq_success, endpoint.rq_error) == (2, 1, 1)
    assert (endpoint.rq_active, endpoint.cx_active, endpoint.cx_total) == (0, 1, 1)


async def test_reset_leaves_gauges(proxy, plane, make):
    client, _ = await served(proxy, plane, make)
    await client.get()
    plane.reset()
    tally = plane.tally()
    assert tally.stats.counter("cluster.c.upstream_rq_total").value == 0
    assert tally.stats.gauge("cluster.c.upstream_cx_active").value == 1
    assert [series.requests for series in tally.istio_stats.series.values()] == [0]


async def test_what_is_rejected_changes_nothing(proxy, plane, make):
    client, _ = await served(proxy, plane, make)
    with pytest.raises(Rejected, match="lb_policy NONE"):
        plane.apply(Resources((make.cluster("c", 1, lb_policy="NONE"),)))
    assert (await client.get())[0] == 200


async def test_a_configuration_that_was_replaced_is_freed_at_the_next_sweep(proxy, plane, make, monkeypatch):
    monkeypatch.setattr(data_plane, "SWEEP_S", 0.01)
    _, origin = await served(proxy, plane, make)
    gc.disable()
    try:
        for number in range(1, 6):
            plane.apply(Resources((make.cluster("c", origin.port, max_requests_per_connection=number),)))
        await proxy.until(lambda: sum(type(one) is RuntimeCluster for one in gc.get_objects()) <= 1)
    finally:
        gc.enable()
