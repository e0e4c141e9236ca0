"""The overload manager: by numbers, and in a process that runs out of descriptors."""

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager

import pytest

from mesh.model.route import DirectResponse
from mesh.proxy.overload import Overload, OverloadLimits, max_descriptors, resident_bytes
from mesh.proxy.stats import Stats

MB = 1024 * 1024


def overload(heap=0, descriptors=1000, **limits):
    stats = Stats()
    made = Overload(OverloadLimits(**limits), stats, lambda: heap, lambda: descriptors)
    return made, {name.rpartition("overload.")[2]: gauge for name, gauge in stats.gauges.items()}


@pytest.mark.parametrize(
    ("heap", "sheds", "rejects"), [(50, False, False), (95, True, False), (98, True, True), (150, True, True)]
)
def test_memory_sheds_requests_first_and_then_connections(heap, sheds, rejects):
    made, gauges = overload(heap * MB, max_heap_bytes=100 * MB)
    made.look(0.0)
    assert (made.sheds_requests, made.rejects_connections, made.admits(5)) == (sheds, rejects, not rejects)
    assert gauges["envoy.resource_monitors.fixed_heap.pressure"].value == heap
    assert gauges["envoy.overload_actions.stop_accepting_requests.active"].value == sheds


def test_a_late_event_loop_sheds_until_it_has_caught_up():
    made, _ = overload(max_loop_lag_s=2.0)
    made.look(2.5)
    assert made.sheds_requests
    made.look(0.1)
    assert not made.sheds_requests


def test_without_limits_nothing_is_shed():
    made, _ = overload(heap=1 << 40, max_loop_lag_s=0.0)
    made.look(100.0)
    assert not made.sheds_requests
    assert made.admits(5)


def test_a_quarter_of_the_descriptors_is_not_for_clients():
    made, _ = overload(descriptors=100)
    assert made.admits(74)
    assert not made.admits(75)


def test_reads_what_the_kernel_counts():
    assert 5 * MB < resident_bytes() < 4096 * MB
    assert max_descriptors() > 100


async def test_a_shed_request_is_told_and_its_connection_is_closed(serve, proxy):
    client = await serve(DirectResponse(200))
    proxy.worker.overload.sheds_requests = True
    status, fields, body = await client.get()
    assert (status, body, fields["connection"]) == (503, b"envoy overloaded", "close")
    assert await client.closed() == b""
    (entry,) = proxy.entries
    assert (entry.response_flags, entry.response_code_details) == ("OM", "overload")
    assert proxy.worker.stats.counters["http.outbound.downstream_rq_overload_close"].value == 1


def hold_answers(origin):
    """Until the event that is the answer is set."""
    go_on = asyncio.Event()

    async def respond(request, writer):
        await go_on.wait()
        writer.write(origin.response)

    origin.respond = respond
    return go_on


async def test_what_is_in_hand_goes_on_while_requests_are_shed(serve, make, proxy):
    origin = await proxy.origin()
    go_on = hold_answers(origin)
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await proxy.until(lambda: origin.requests)
    proxy.worker.overload.sheds_requests = True
    go_on.set()
    assert (await client.response())[0] == 200


async def test_connections_beyond_the_limit_are_closed_and_counted(serve, proxy):
    client = await serve(DirectResponse(200))
    port = client.writer.get_extra_info("peername")[1]
    proxy.worker.overload._limits = OverloadLimits(max_downstream_connections=2)
    others = [await proxy.client(port) for _ in range(3)]
    assert (await client.get())[0] == 200
    assert (await others[0].get())[0] == 200
    assert [await other.closed() for other in others[1:]] == [b"", b""]
    name = f"listener.127.0.0.1_{port}.downstream_cx_overload_reject"
    assert proxy.worker.stats.counters[name].value == 2
    others[0].writer.close()
    await proxy.until(lambda: proxy.worker.overload.connections == 1)
    assert (await (await proxy.client(port)).get())[0] == 200


LIMIT = 100
EXHAUSTED = f"""
import asyncio, json, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({LIMIT}, {LIMIT}))
import uvloop
from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.http_filter import Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.model.route import Forward, Route, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster
from mesh.proxy.config import DynamicConfig
from mesh.proxy.worker import Worker

async def main():
    node = Node("a", "default", "127.0.0.1", "a", "a")
    worker = Worker(node, asyncio.get_running_loop())
    config = DynamicConfig(worker)
    here = LocalityEndpoints((Endpoint("127.0.0.1", int(sys.argv[1])),))
    cluster = Cluster("c", "STATIC", load_assignment=ClusterLoadAssignment("c", (here,)))
    host = VirtualHost("any", ("*",), (Route(RouteMatch(), Forward((WeightedCluster("c"),))),))
    manager = HttpConnectionManager("t", (Router(),), route_config=RouteConfiguration("r", (host,)))
    config.apply(Resources((cluster,), (), (Listener("l", "127.0.0.1", 0, (FilterChain("f", manager),)),)))
    port = config.listeners["l"].bound_address[1]
    print(json.dumps(port), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    rejected = worker.stats.counters["listener.127.0.0.1_0.downstream_cx_overload_reject"].value
    print(json.dumps([rejected, worker.overload.connections]), flush=True)

uvloop.run(main())
"""


async def served_soon(proxy, port):
    """Until a new client is served: the proxy has yet to hear that others left."""
    while True:
        client = await proxy.client(port)
        try:
            assert (await client.get())[0] == 200
            return
        except (asyncio.IncompleteReadError, ConnectionError):
            client.writer.close()


@asynccontextmanager
async def with_few_descriptors(origin):
    """A process with a proxy in it, and the port where that listens."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", EXHAUSTED, str(origin.port)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            yield process, json.loads(await process.stdout.readline())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_proxy_out_of_descriptors_serves_whom_it_has_and_recovers(proxy):
    """Three times as many clients as descriptors: those it kept are served, endpoints are dialled."""
    origin = await proxy.origin()
    async with with_few_descriptors(origin) as (process, port):
        clients = [await proxy.client(port) for _ in range(3 * LIMIT)]
        served, refused = [], 0
        for client in clients:
            try:
                status, _, _ = await client.get()
                assert status == 200
                served.append(client)
            except (asyncio.IncompleteReadError, ConnectionError):
                refused += 1
        assert LIMIT * 0.4 < len(served) <= LIMIT * 0.75
        assert refused == len(clients) - len(served)
        for client in served:
            client.writer.close()
        closing = (client.writer.wait_closed() for client in served)
        await asyncio.gather(*closing, return_exceptions=True)  # the proxy may have been first
        for _ in range(20):
            await served_soon(proxy, port)
        process.stdin.write(b"\n")
        rejected, connected = json.loads(await process.stdout.readline())
        assert (rejected > LIMIT, connected) == (True, 20)
        assert await process.wait() == 0
        assert await process.stderr.read() == b""


async def test_it_goes_on_when_endpoints_have_taken_the_rest(proxy):
    """Requests in hand hold two descriptors each: there are none left to accept with or to dial with."""
    origin = await proxy.origin()
    go_on = hold_answers(origin)
    async with with_few_descriptors(origin) as (process, port):
        clients = [await proxy.client(port) for _ in range(LIMIT)]
        for client in clients:
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        asking = [asyncio.ensure_future(outcome(client)) for client in clients]
        await proxy.until(lambda: sum(each.done() for each in asking) + len(origin.requests) == LIMIT)
        waiting = len(origin.requests)
        assert 0 < waiting < LIMIT / 2
        go_on.set()
        outcomes = [await each for each in asking]
        assert outcomes.count(200) == waiting
        # who is refused is so at once or when there is nothing to dial with: which is a matter of timing
        assert set(outcomes) <= {200, 503, None}
        for client in clients:
            client.writer.transport.abort()
        for _ in range(20):
            await served_soon(proxy, port)
        process.stdin.write(b"\n")
        await process.stdout.readline()
        assert await process.wait() == 0
        assert await process.stderr.read() == b""


async def outcome(client):
    """The status, None for a connection that was not taken."""
    try:
        return (await client.response())[0]
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
