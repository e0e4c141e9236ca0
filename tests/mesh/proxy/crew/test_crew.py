"""Several workers as one proxy: real processes behind one port, one set of numbers."""

import asyncio
import os
import resource
import signal
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from labs.harness.authority import Authority
from mesh.model.names import credential
from mesh.model.outlier import OutlierDetection
from mesh.model.resources import Resources
from mesh.model.route import DirectResponse, Route, RouteMatch, StringMatch
from mesh.model.tls import DownstreamTls, Secret
from mesh.proxy.bootstrap import Bootstrap
from mesh.proxy.crew import crew as module
from mesh.proxy.crew.crew import Crew
from mesh.proxy.data_plane import DataPlane
from mesh.xds.errors import Rejected

# Connections go to one of two workers by a hash: that all of them go to one happens once in 2**63 runs.
MANY = 64


@pytest.fixture
async def start(proxy):
    """start(concurrency) -> a crew that is there."""
    crews = []

    async def make(concurrency, **options):
        known = {"access_log": "/dev/null", "drain_duration_s": 1.0, **options}
        bootstrap = Bootstrap(
            "127.0.0.1:1", Path("r"), Path("t"), Path("/"), concurrency=concurrency, **known
        )
        crew = Crew(DataPlane(proxy.node, bootstrap), proxy.node, bootstrap)
        crews.append(crew)
        await crew.start()
        return crew

    yield make
    for crew in crews:
        crew.stop()
        crew.plane.drain(graceful=False)
        await crew.plane.close()


def serving(make, port, origin_port, status=None):
    action = make.forward("c") if status is None else DirectResponse(status)
    routing = make.routes(Route(RouteMatch(), action))
    return Resources((make.cluster("c", origin_port),), (), (make.outbound(port, routing),))


async def ask(proxy, port, times=MANY):
    """The statuses of one request on each of so many connections."""
    statuses = []
    for _ in range(times):
        client = await proxy.client(port)
        statuses.append((await client.get())[0])
        client.writer.close()
    return statuses


def requests(tally):
    return tally.stats.counter("cluster.c.upstream_rq_total").value


async def test_workers_share_the_port_and_the_numbers(proxy, start, make):
    origin, port = await proxy.origin(), make.free_port()
    crew = await start(2)
    crew.apply(serving(make, port, origin.port))
    assert await ask(proxy, port) == [200] * MANY
    tally = crew.tally()
    assert 0 < requests(crew.plane.tally()) < MANY
    assert requests(tally) == len(origin.requests) == MANY
    assert sum(series.requests for series in tally.istio_stats.series.values()) == MANY
    assert [endpoint.rq_success for endpoint in tally.clusters[0].endpoints] == [MANY]
    crew.reset()
    assert requests(crew.tally()) == 0


async def test_a_change_is_in_force_everywhere_at_once(proxy, start, make):
    origin, port = await proxy.origin(), make.free_port()
    crew = await start(2)
    for status in (401, 402, 403):
        crew.apply(serving(make, port, origin.port, status))
        assert set(await ask(proxy, port)) == {status}


async def test_configurations_and_numbers_may_be_larger_than_the_pipe(proxy, start, make):
    crew = await start(2)
    for times in (1, 2):
        clusters = tuple(make.cluster(f"c{number:04d}", times) for number in range(1000))
        crew.apply(Resources(clusters))
        for _ in range(3):
            found = crew.tally().clusters
            assert len(found) == 1000
            await asyncio.sleep(0)
    assert len(crew.pids) == 2  # nobody was lost


async def test_what_one_worker_rejects_none_serves(proxy, start, make):
    origin, port = await proxy.origin(), make.free_port()
    crew = await start(2)
    crew.apply(serving(make, port, origin.port))
    (_, other) = crew.pids
    known = {int(number) for number in os.listdir(f"/proc/{other}/fd")}
    free = next(number for number in range(len(known) + 1) if number not in known)
    resource.prlimit(other, resource.RLIMIT_NOFILE, (free, free))  # it cannot open a socket
    more = make.free_port()
    before = crew.plane.config.resources
    with pytest.raises(Rejected, match=f"cannot bind 127.0.0.1:{more}: Too many open files"):
        crew.apply(serving(make, more, origin.port))
    assert crew.plane.config.resources == before
    with pytest.raises(OSError, match=r"refused|Connect"):
        await proxy.client(more)


async def test_what_the_first_worker_rejects_the_others_do_not_keep(proxy, start, make, monkeypatch):
    origin, port = await proxy.origin(), make.free_port()
    crew = await start(2)
    crew.apply(serving(make, port, origin.port))

    def reject(resources):
        raise Rejected("for a reason")

    monkeypatch.setattr(crew.plane, "apply", reject)
    with pytest.raises(Rejected, match="for a reason"):
        crew.apply(serving(make, port, origin.port, 418))
    assert set(await ask(proxy, port)) == {200}


def failing(make, port, origin_port):
    """Two clusters of one endpoint, which is out after three bad answers; and a page of the proxy's own."""
    rules = OutlierDetection(consecutive_5xx=3, base_ejection_time_s=300.0, max_ejection_percent=100)
    clusters = tuple(make.cluster(name, origin_port, outlier_detection=rules) for name in ("a", "b"))
    routing = make.routes(
        *(
            Route(RouteMatch(StringMatch("exact", f"/{each.name}")), make.forward(each.name))
            for each in clusters
        ),
        Route(RouteMatch(), DirectResponse(200)),
    )
    return Resources(clusters, (), (make.outbound(port, routing),))


async def one_of_each(proxy, crew, port):
    """A client of the first worker, and one of the other."""
    found = {}
    while len(found) < 2:
        own = crew.plane.worker.stats.counter("http.outbound.downstream_cx_total")
        before = own.value
        client = await proxy.client(port)
        await client.get()
        found.setdefault(own.value == before, client)
    return found[False], found[True]


async def test_who_is_out_for_one_worker_is_out_for_all(proxy, start, make, monkeypatch):
    """Three requests on one connection are one worker's; the others hear of it before they are counted."""
    monkeypatch.setattr(module, "REPLACE_AFTER_S", 0.0)
    origin, port = await proxy.origin(b"HTTP/1.1 500 X\r\ncontent-length: 0\r\n\r\n"), make.free_port()
    crew = await start(2)
    crew.apply(failing(make, port, origin.port))
    clients = await one_of_each(proxy, crew, port)
    for path, client, other in (("/a", *clients), ("/b", *reversed(clients))):
        assert [(await client.get(path))[0] for _ in range(3)] == [500] * 3
        tally = crew.tally()
        assert (await other.get(path))[0] == 503
        prefix = f"cluster.{path[1:]}.outlier_detection.ejections_"
        assert tally.stats.counter(f"{prefix}enforced_total").value == 1
        assert tally.stats.gauge(f"{prefix}active").value == 1
    assert len(origin.requests) == 6

    (_, victim) = crew.pids
    os.kill(victim, signal.SIGKILL)
    await proxy.until(lambda: crew.pids[1:] not in ([], [victim]))
    await crew._until(lambda: len(crew._ready()) == 1, 20)
    _, newcomer = await one_of_each(proxy, crew, port)
    assert [(await newcomer.get(path))[0] for path in ("/a", "/b")] == [503, 503]
    assert len(origin.requests) == 6


async def test_a_worker_that_is_killed_is_replaced_and_its_numbers_stay(proxy, start, make, monkeypatch):
    monkeypatch.setattr(module, "REPLACE_AFTER_S", 0.0)
    origin, port = await proxy.origin(), make.free_port()
    crew = await start(2)
    crew.apply(serving(make, port, origin.port, 401))
    crew.apply(serving(make, port, origin.port))
    await ask(proxy, port)
    assert requests(crew.tally()) == MANY
    (_, victim) = crew.pids
    os.kill(victim, signal.SIGKILL)
    await proxy.until(lambda: crew.pids[1:] not in ([], [victim]))
    async with asyncio.timeout(20):
        await crew._until(lambda: len(crew._ready()) == 1, 20)
    assert await ask(proxy, port) == [200] * MANY
    assert requests(crew.tally()) == 2 * MANY
    assert requests(crew.plane.tally()) < 2 * MANY


async def test_limits_of_the_proxy_are_shared_out(proxy, start, make):
    origin, port = await proxy.origin(), make.free_port()
    crew = await start(2)
    resources = serving(make, port, origin.port)
    crew.apply(resources)
    assert crew.plane.worker.share(1024) == 512
    assert crew.plane.worker.clusters["c"].breaker.limits.max_connections == 2**32 // 2 - 1
    assert [crew.plane.worker.share(limit) for limit in (0, 1, 3)] == [0, 1, 1]


async def test_leaving_drains_all_workers_and_ends_the_others(proxy, start, make):
    origin, port = await proxy.origin(), make.free_port()
    crew = await start(2)
    crew.apply(serving(make, port, origin.port))
    clients = [await proxy.client(port) for _ in range(MANY)]
    for client in clients:
        assert (await client.get())[0] == 200
    async with asyncio.timeout(20):
        await crew.leave()
    assert [await client.closed() for client in clients] == [b""] * MANY
    assert len(crew.pids) == 1
    assert requests(crew.tally()) == MANY


async def test_a_worker_that_does_not_start_is_said(start, monkeypatch):
    monkeypatch.setattr(module, "START_TIMEOUT_S", 0.0)
    with pytest.raises(RuntimeError, match="1 of 2 workers started"):
        await start(2)


async def test_one_worker_needs_no_other_process(start):
    crew = await start(1)
    assert crew.pids == [os.getpid()]
    assert crew.tally().stats is crew.plane.worker.stats


async def test_every_worker_has_the_secrets_the_control_plane_names(proxy, start, make):
    crew = await start(2)
    port = make.free_port()
    authority = Authority()
    name = credential("site")
    tls = DownstreamTls(("http/1.1",), False, name, "")
    listener = make.outbound(port, make.routes(Route(RouteMatch(), DirectResponse(200))))
    listener = replace(listener, filter_chains=(replace(listener.filter_chains[0], tls=tls),))
    secret = Secret(name, authority.issue("site", "site.example"))
    crew.apply(Resources(listeners=(listener,), secrets=(secret,)))
    trust = ssl.create_default_context(cadata=authority.root_pem.decode())
    for _ in range(MANY):
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trust, server_hostname="site.example"
        )
        writer.close()
    crew.apply(Resources())
