"""A listener goes on accepting whatever becomes of those it accepted, and takes a new model under traffic."""

import asyncio
import socket
import time
from contextlib import ExitStack

import pytest

from mesh.model.http_filter import Router
from mesh.model.listener import FilterChain, FilterChainMatch, HttpConnectionManager, Listener
from mesh.model.resources import Resources
from mesh.model.route import Redirect, Route, RouteMatch, StringMatch
from mesh.proxy import listener
from mesh.proxy.chain_match import choose_chain
from mesh.proxy.connection_info import ConnectionInfo
from mesh.proxy.overload import resident_bytes

HOST = "127.0.0.1"
MANY = 200
IDLE = 3000


@pytest.fixture
def deaf_port():
    """Where a connection is never made: nobody accepts, the queue is full, the kernel drops what knocks."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        listening.listen(0)
        knocking = [socket.socket() for _ in range(4)]
        for each in knocking:
            each.setblocking(False)
            each.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]
        for each in knocking:
            each.close()


async def test_who_waits_for_a_slow_upstream_keeps_nobody_at_the_door(proxy, make, deaf_port):
    origin, port = await proxy.origin(), make.free_port()
    routing = make.routes(
        Route(RouteMatch(StringMatch("prefix", "/slow")), make.forward("slow")),
        Route(RouteMatch(), make.forward("fast")),
    )
    slow, fast = make.cluster("slow", deaf_port, connect_timeout_s=1.0), make.cluster("fast", origin.port)
    proxy.config.apply(Resources((fast, slow), listeners=(make.outbound(port, routing),)))
    waiting = [await proxy.client(port) for _ in range(MANY)]
    for client in waiting:
        client.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await proxy.until(lambda: proxy.worker.stats.counters["cluster.slow.upstream_rq_total"].value == MANY)
    for _ in range(MANY):
        client = await proxy.client(port)
        assert (await client.get())[0] == 200
    assert proxy.worker.stats.gauges["cluster.slow.upstream_rq_active"].value == MANY  # all wait
    assert {(await client.response())[0] for client in waiting} == {503}
    assert {entry.response_flags for entry in proxy.entries if entry.path == "/slow"} == {"UF"}


async def test_changes_of_every_kind_under_load_cost_no_request_and_no_connection(proxy, make):
    origins = [await proxy.origin() for _ in range(3)]
    ports = [make.free_port(), make.free_port()]

    def resources(turn):
        """Each turn has other routes, another cluster, other endpoints, another listener beside the same."""
        name = f"c{turn % 3}"
        routing = make.routes(
            Route(RouteMatch(StringMatch("prefix", f"/{turn}")), Redirect(path="/")),
            Route(RouteMatch(), make.forward(name)),
        )
        clusters = (make.cluster(name, *(origin.port for origin in origins[: 1 + turn % 3])),)
        kept, other = make.outbound(ports[0], routing), make.outbound(ports[1], routing)
        return Resources(clusters, (), (kept, other)[: 1 + turn % 2])

    proxy.config.apply(resources(0))
    clients = [await proxy.client(ports[0]) for _ in range(8)]
    answered = [0] * len(clients)
    changing = True

    async def ask(number):
        while changing:
            status, fields, _ = await clients[number].get("/page")
            assert (status, fields.get("connection")) == (200, None)
            answered[number] += 1

    asking = [asyncio.create_task(ask(number)) for number in range(len(clients))]
    for turn in range(1, 100):
        before = sum(answered)
        proxy.config.apply(resources(turn))
        await proxy.until(lambda before=before: sum(answered) > before + len(clients) or asking[0].done())
    changing = False
    await asyncio.gather(*asking)
    assert min(answered) > 100
    assert sum(len(origin.requests) for origin in origins) == sum(answered)


async def test_thousands_that_lie_idle_cost_little_and_are_closed_in_time(proxy, make):
    """Half of them have asked once, half never."""
    origin, port = await proxy.origin(), make.free_port()
    routing = make.routes(Route(RouteMatch(), make.forward("c")))
    listener = make.outbound(port, routing, idle_timeout_s=60.0)
    proxy.config.apply(Resources((make.cluster("c", origin.port),), listeners=(listener,)))
    loop, active = asyncio.get_running_loop(), proxy.worker.stats.gauges["http.outbound.downstream_cx_active"]
    assert (await (await proxy.client(port)).get())[0] == 200
    before = resident_bytes()
    with ExitStack() as stack:
        for number in range(IDLE):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            await loop.sock_connect(client, (HOST, port))
            if number % 2:
                await loop.sock_sendall(client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                assert (await loop.sock_recv(client, 4096)).startswith(b"HTTP/1.1 200")
        await proxy.until(lambda: active.value == IDLE + 1)
        assert (resident_bytes() - before) / IDLE < 20_000
        assert (await (await proxy.client(port)).get())[0] == 200
        (listening,) = proxy.config.listeners.values()
        listening.close_idle(time.monotonic() + 59)
        assert active.value == IDLE + 2
        listening.close_idle(time.monotonic() + 61)
        await proxy.until(lambda: active.value == 0)


@pytest.fixture
def choosing(proxy, make, monkeypatch):
    """choosing(server name) -> the chain that takes it; ``asked``: the names that were thought about."""
    port = make.free_port()
    asked = []

    def choose(chains, default, info):
        asked.append(info.server_name)
        return choose_chain(chains, default, info)

    monkeypatch.setattr(listener, "choose_chain", choose)

    def take(chain):
        routing = make.routes(Route(RouteMatch(), Redirect()))
        manager = HttpConnectionManager("m", (Router(),), route_config=routing)
        chains = (FilterChain(chain, manager, FilterChainMatch(server_names=("a.example",))),)
        proxy.config.apply(Resources(listeners=(Listener("l", HOST, port, chains),)))

    def chosen(name):
        found = proxy.config.listeners["l"].choose(ConnectionInfo(server_name=name, local=(HOST, port)))
        return found.model.name if found is not None else None

    chosen.asked, chosen.take = asked, take
    take("first")
    return chosen


async def test_a_choice_is_remembered_until_there_are_other_chains(choosing):
    assert [choosing("a.example") for _ in range(3)] == ["first"] * 3
    assert [choosing("b.example") for _ in range(3)] == [None] * 3
    assert choosing.asked == ["a.example", "b.example"]
    choosing.take("second")
    assert choosing("a.example") == "second"


async def test_no_more_choices_are_remembered_than_there_is_room_for(choosing, monkeypatch):
    monkeypatch.setattr(listener, "MAX_CHOICES", 4)
    for number in range(9):
        choosing(f"{number}.example")
    choosing("8.example")
    choosing("3.example")
    assert len(choosing.asked) == 10
