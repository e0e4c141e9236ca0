"""Bytes through the proxy: half-close, refusals, the original destination, hand-off, the loop guard."""

import asyncio
import ssl
from functools import partial

import pytest

from mesh.model.cluster import Cluster
from mesh.model.http_filter import FileAccessLog
from mesh.model.listener import FilterChain, FilterChainMatch, Listener, TcpProxy
from mesh.model.rate_limit import ConnectionRateLimit, TokenBucket
from mesh.model.resources import Resources
from mesh.model.route import DirectResponse, Route, RouteMatch
from mesh.proxy import accepted
from mesh.proxy.access_line import format_line
from mesh.proxy.config import DynamicConfig

HOST = "127.0.0.1"


def tcp_chain(cluster, match=None, name="tcp"):
    return FilterChain(name, TcpProxy(name, cluster), match or FilterChainMatch())


@pytest.fixture
async def reverser():
    """A server that answers, reversed, what it got until its client closed its side."""

    async def serve(reader, writer):
        writer.write((await reader.read())[::-1])
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def speaker():
    """speaker(word) -> the port of a server that says its word and goes."""
    servers = []

    async def start(word):
        async def serve(reader, writer):
            writer.write(word)
            writer.close()

        servers.append(await asyncio.start_server(serve, HOST, 0))
        return servers[-1].sockets[0].getsockname()[1]

    yield start
    for server in servers:
        server.close()


async def test_half_close_keeps_the_other_direction(proxy, make, reverser):
    port = make.free_port()
    listener = Listener("l", HOST, port, (tcp_chain("c"),))
    proxy.config.apply(Resources((make.cluster("c", reverser),), listeners=(listener,)))
    client = await proxy.client(port)
    client.send(b"hello " * 100_000)
    client.writer.write_eof()
    assert await client.closed() == (b"hello " * 100_000)[::-1]
    await proxy.until(
        lambda: proxy.worker.stats.counter("tcp.tcp.downstream_cx_rx_bytes_total").value == 600_000
    )
    assert proxy.worker.clusters["c"].breaker.connections == 0
    assert proxy.worker.overload.connections == 0


async def test_a_server_may_speak_first(proxy, make):
    async def greet(reader, writer):
        writer.write(b"220 hello\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(greet, HOST, 0)
    port = make.free_port()
    listener = Listener("l", HOST, port, (tcp_chain("c"),))
    target = server.sockets[0].getsockname()[1]
    proxy.config.apply(Resources((make.cluster("c", target),), listeners=(listener,)))
    client = await proxy.client(port)
    assert await client.reader.readuntil(b"\r\n") == b"220 hello\r\n"
    client.writer.close()
    server.close()


def limited(port, log="/dev/stdout"):
    """Two tokens that do not come back."""
    limit = ConnectionRateLimit("x", TokenBucket(2, 1, 10.0**9))
    proxy = TcpProxy("tcp", "c", (FileAccessLog(str(log)),), rate_limit=limit)
    return Listener("l", HOST, port, (FilterChain("tcp", proxy),))


async def reversed_by(client):
    client.send(b"abc")
    client.writer.write_eof()
    return await client.closed()


async def test_without_a_token_a_connection_is_closed(proxy, make, reverser):
    port, entries = make.free_port(), []
    proxy.config = DynamicConfig(proxy.worker, make_connection_sink=lambda source: entries.append)
    proxy.config.apply(Resources((make.cluster("c", reverser),), listeners=(limited(port),)))
    answers = [await reversed_by(await proxy.client(port)) for _ in range(4)]
    assert answers == [b"cba", b"cba", b"", b""]
    assert proxy.worker.stats.counter("local_rate_limit.x.rate_limited").value == 2
    assert proxy.worker.stats.counter("tcp.tcp.downstream_cx_total").value == 4
    await proxy.until(lambda: len(entries) == 4)
    told = [(entry.response_flags, entry.upstream_cluster, entry.upstream_host) for entry in entries]
    assert told == [("-", "c", f"{HOST}:{reverser}")] * 2 + [("URX", "", "")] * 2


async def test_the_real_envoy_closes_the_same_connections(proxy, make, reverser, envoy, tmp_path):
    port, log = make.free_port(), tmp_path / "log"
    first = await envoy(limited(port, log), make.cluster("c", reverser))
    answers = [await reversed_by(first)]
    answers += [await reversed_by(await proxy.client(port)) for _ in range(3)]
    assert answers == [b"cba", b"cba", b"", b""]
    await proxy.until(lambda: log.exists() and log.read_text().count("\n") == 4)
    assert log.read_text().count(" 0 URX ") == 2


@pytest.mark.parametrize("ports", [(), None])
async def test_nowhere_to_go_closes_the_connection(proxy, make, ports):
    port = make.free_port()
    cluster = make.cluster("c", *(ports if ports is not None else (make.free_port(),)))
    proxy.config.apply(Resources((cluster,), listeners=(Listener("l", HOST, port, (tcp_chain("c"),)),)))
    client = await proxy.client(port)
    client.send(b"x")
    assert await client.closed() == b""


async def test_a_slow_dial_does_not_stall_accepting(proxy, make, reverser):
    port, other = make.free_port(), make.free_port()
    unreachable = Cluster("slow", "STATIC", load_assignment=make.endpoints("slow", 9), connect_timeout_s=5.0)
    far = unreachable.load_assignment.localities[0].endpoints[0]
    assignment = type(unreachable.load_assignment)(
        "slow", (type(unreachable.load_assignment.localities[0])((type(far)("10.255.255.1", 9),)),)
    )
    listeners = (
        Listener("slow", HOST, port, (tcp_chain("slow"),)),
        Listener("l", HOST, other, (tcp_chain("c"),)),
    )
    slow = Cluster("slow", "STATIC", load_assignment=assignment)
    proxy.config.apply(Resources((slow, make.cluster("c", reverser)), listeners=listeners))
    waiting = await proxy.client(port)
    waiting.send(b"x")
    client = await proxy.client(other)
    client.send(b"ab")
    client.writer.write_eof()
    assert await client.closed() == b"ba"


@pytest.fixture
def redirected(monkeypatch):
    """What SO_ORIGINAL_DST would say of every connection that asks for it."""

    def to(address):
        monkeypatch.setattr(accepted, "original_destination", lambda _: address)

    return to


def virtual_outbound(port):
    return Listener(
        "virtualOutbound", HOST, port, (), direction="OUTBOUND", use_original_dst=True,
        default_filter_chain=tcp_chain("PassthroughCluster"),
    )  # fmt: skip


async def test_what_nobody_takes_passes_through_to_where_it_was_going(proxy, make, redirected, reverser):
    port = make.free_port()
    passthrough = Cluster("PassthroughCluster", "ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED")
    proxy.config.apply(Resources((passthrough,), listeners=(virtual_outbound(port),)))
    redirected((HOST, reverser))
    client = await proxy.client(port)
    client.send(b"abc")
    client.writer.write_eof()
    assert await client.closed() == b"cba"


async def test_a_connection_to_ourselves_is_no_loop(proxy, make, redirected):
    port = make.free_port()
    passthrough = Cluster("PassthroughCluster", "ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED")
    proxy.config.apply(Resources((passthrough,), listeners=(virtual_outbound(port),)))
    for destination in ((HOST, port), None):
        redirected(destination)
        client = await proxy.client(port)
        client.send(b"abc")
        assert await client.closed() == b""
    assert proxy.worker.stats.counter("cluster.PassthroughCluster.upstream_cx_total").value == 0


async def test_a_redirected_connection_is_handed_to_the_listener_of_its_destination(proxy, make, redirected):
    port = make.free_port()
    routing = [make.routes(Route(RouteMatch(), DirectResponse(code))) for code in (201, 202)]
    listeners = []
    for address, found in zip(("10.1.1.1", "0.0.0.0"), routing, strict=True):
        like = make.outbound(9080, found)
        listeners.append(
            Listener(f"{address}_9080", address, 9080, like.filter_chains, "OUTBOUND", bind_to_port=False)
        )
    proxy.config.apply(Resources(listeners=(virtual_outbound(port), *listeners)))
    for destination, status in ((("10.1.1.1", 9080), 201), (("10.9.9.9", 9080), 202)):
        redirected(destination)
        client = await proxy.client(port)
        assert (await client.get())[0] == status
    assert proxy.entries[0].downstream_local_address == "10.1.1.1:9080"


async def test_a_range_of_addresses_takes_what_was_going_there(proxy, make, redirected, speaker):
    port = make.free_port()
    words = ("near", "far", "else")
    clusters = tuple([make.cluster(word, await speaker(word.encode())) for word in words])
    chains = tuple(
        tcp_chain(word, FilterChainMatch(destination_ranges=(taken,)), word)
        for word, taken in (("far", "10.0.0.0/8"), ("near", "10.1.0.0/16"))
    )
    listener = Listener(
        "0.0.0.0_3306", "0.0.0.0", 3306, chains, "OUTBOUND", bind_to_port=False,
        default_filter_chain=tcp_chain("else", name="else"),
    )  # fmt: skip
    proxy.config.apply(Resources(clusters, listeners=(virtual_outbound(port), listener)))
    for address, word in (("10.1.2.3", "near"), ("10.2.2.3", "far"), ("192.0.2.1", "else")):
        redirected((address, 3306))
        client = await proxy.client(port)
        assert await client.closed() == word.encode()


async def test_inbound_chains_choose_by_the_port_it_was_going_to(proxy, make, redirected):
    port = make.free_port()
    chains = [
        FilterChain(
            str(number),
            make.outbound(1, make.routes(Route(RouteMatch(), DirectResponse(code))))
            .filter_chains[0]
            .network_filter,
            FilterChainMatch(number),
        )
        for number, code in ((9080, 201), (9090, 202))
    ]
    listener = Listener("virtualInbound", HOST, port, tuple(chains), "INBOUND", original_dst=True)
    proxy.config.apply(Resources(listeners=(listener,)))
    for number, status in ((9080, 201), (9090, 202)):
        redirected(("10.0.0.1", number))
        client = await proxy.client(port)
        assert (await client.get())[0] == status
    redirected(("10.0.0.1", 1))
    client = await proxy.client(port)
    assert await client.closed() == b""


async def test_a_silent_connection_is_closed_after_the_idle_timeout(proxy, make, reverser):
    port = make.free_port()
    chain = FilterChain("tcp", TcpProxy("tcp", "c", idle_timeout_s=10.0))
    proxy.config.apply(
        Resources((make.cluster("c", reverser),), listeners=(Listener("l", HOST, port, (chain,)),))
    )
    client = await proxy.client(port)
    [live] = proxy.config.listeners["l"].chains.values()
    await proxy.until(lambda: live.live)
    [connection] = live.live
    client.send(b"x")
    await proxy.until(lambda: connection.bytes_received)
    connection.close_idle(connection.active_at + 9.9)
    assert not connection.transport.is_closing()
    connection.close_idle(connection.active_at + 10)
    assert await client.closed() == b""
    assert proxy.worker.stats.counter("tcp.tcp.idle_timeout").value == 1


async def test_a_short_idle_timeout_is_kept_without_anybody_looking(proxy, make, reverser):
    port = make.free_port()
    chain = FilterChain("tcp", TcpProxy("tcp", "c", idle_timeout_s=0.02))
    proxy.config.apply(
        Resources((make.cluster("c", reverser),), listeners=(Listener("l", HOST, port, (chain,)),))
    )
    client = await proxy.client(port)
    assert await client.closed() == b""
    assert proxy.worker.stats.counter("tcp.tcp.idle_timeout").value == 1


async def test_a_server_that_takes_no_more_is_not_waited_for_for_ever(proxy, make, server):
    """Its client has said all and left; what is left for it is held for the idle timeout."""
    lost = asyncio.Event()

    async def serve(reader, writer):
        reader._transport.pause_reading()
        await lost.wait()
        writer.close()

    port = make.free_port()
    chain = FilterChain("tcp", TcpProxy("tcp", "c", idle_timeout_s=0.1))
    cluster = make.cluster("c", await server(serve))
    proxy.config.apply(Resources((cluster,), listeners=(Listener("l", HOST, port, (chain,)),)))
    client = await proxy.client(port)
    [live] = proxy.config.listeners["l"].chains.values()
    await proxy.until(lambda: live.live and next(iter(live.live)).peer)
    [connection] = live.live
    left = connection.peer.transport
    while not left.get_write_buffer_size():
        client.send(b"x" * 10_000)
        await proxy.settled()
    client.writer.close()
    await proxy.until(lambda: not live.live)
    assert left.get_write_buffer_size()
    await proxy.until(lambda: not left.get_write_buffer_size())
    lost.set()


async def test_a_connection_is_closed_when_its_time_is_over(proxy, make, reverser):
    port = make.free_port()
    chain = FilterChain("tcp", TcpProxy("tcp", "c", max_connection_duration_s=0.02))
    proxy.config.apply(
        Resources((make.cluster("c", reverser),), listeners=(Listener("l", HOST, port, (chain,)),))
    )
    client = await proxy.client(port)
    assert await client.closed() == b""
    name = "tcp.tcp.max_downstream_connection_duration"
    assert proxy.worker.stats.counter(name).value == 1


@pytest.fixture
async def server():
    """server(serve) -> the port of a server of its own."""
    servers = []

    async def start(serve):
        servers.append(await asyncio.start_server(serve, HOST, 0))
        return servers[-1].sockets[0].getsockname()[1]

    yield start
    for each in servers:
        each.close()


async def test_connections_are_shared_by_weight_and_stay_while_their_cluster_does(proxy, make, server):
    async def serve(name, reader, writer):
        writer.write(name + b"\n")
        await reader.read()
        writer.close()

    ports = [await server(partial(serve, name)) for name in (b"a", b"b")]
    clusters = tuple(make.cluster(name, port) for name, port in zip("ab", ports, strict=True))
    port = make.free_port()

    def weighted(*shares):
        chain = FilterChain("tcp", TcpProxy("tcp", "", weighted_clusters=shares))
        return Resources(clusters, listeners=(Listener("l", HOST, port, (chain,)),))

    proxy.config.apply(weighted(("a", 3), ("b", 1)))
    clients = [await proxy.client(port) for _ in range(40)]
    greeted = [(await client.reader.readline()).strip() for client in clients]
    assert 20 <= greeted.count(b"a") < 40
    proxy.config.apply(weighted(("b", 1)))
    for client, name in zip(clients, greeted, strict=True):
        if name == b"a":
            assert await client.closed() == b""
    assert len(proxy.config.listeners["l"].chains["tcp"].live) == greeted.count(b"b")


async def test_sni_leads_tls_through_unopened(proxy, make, server):
    """The client's TLS ends at the server that its SNI names: the proxy has no part in it."""
    seen = []

    async def serve(reader, writer):
        seen.append(await reader.read(5))
        writer.close()

    clusters = (make.cluster("a", await server(serve)),)
    port = make.free_port()
    chain = tcp_chain("a", FilterChainMatch(transport_protocol="tls", server_names=("a.example.com",)))
    proxy.config.apply(
        Resources(clusters, listeners=(Listener("l", HOST, port, (chain,), inspect_tls=True),))
    )
    context = ssl.create_default_context()
    for name, reached in (("a.example.com", 1), ("b.example.com", 1)):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection(HOST, port, ssl=context, server_hostname=name)
        await proxy.until(lambda reached=reached: len(seen) == reached)
    assert seen[0][:2] == b"\x16\x03"


async def test_a_connection_is_logged_when_it_ends(proxy, make, reverser):
    lines = []
    proxy.config = DynamicConfig(
        proxy.worker, make_connection_sink=lambda source: lambda entry: lines.append(format_line(entry))
    )
    port = make.free_port()
    chain = FilterChain("tcp", TcpProxy("tcp", "c", (FileAccessLog(),)))
    listener = Listener("l", HOST, port, (chain,))
    proxy.config.apply(Resources((make.cluster("c", reverser),), listeners=(listener,)))
    client = await proxy.client(port)
    client.send(b"hello")
    client.writer.write_eof()
    assert await client.closed() == b"olleh"
    await proxy.until(lambda: lines)
    (line,) = lines
    assert b'"- - -" 0 - - - "-" 5 5 ' in line
    assert f'"{HOST}:{reverser}" c '.encode() in line
