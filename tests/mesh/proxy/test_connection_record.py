"""What is reported of a connection that is only bytes, when, and to whom."""

import asyncio

import pytest

from mesh.model.cluster import Cluster
from mesh.model.http_filter import FileAccessLog, GrpcAccessLog, IstioStats
from mesh.model.listener import FilterChain, FilterChainMatch, Listener, TcpProxy
from mesh.model.peer import Peer
from mesh.model.resources import Resources
from mesh.model.tls import DownstreamTls, UpstreamTls
from mesh.proxy.config import DynamicConfig

HOST = "127.0.0.1"
DB = Peer("db-v1", "default", "db", "v1", "db", "v1", "Kubernetes")
CLIENT_ID = "spiffe://cluster.local/ns/default/sa/bookinfo-productpage"


@pytest.fixture
async def echo():
    async def serve(reader, writer):
        while data := await reader.read(100):
            writer.write(data * 2)
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
def reported(proxy, make):
    """reported(cluster, **filter) -> a port, and {name of a sink: what it was given}."""

    def start(cluster, **options):
        seen = {}

        def sink(source):
            name = type(source).__name__
            return lambda entry: seen.setdefault(name, []).append(entry)

        proxy.config = DynamicConfig(proxy.worker, make_connection_sink=sink)
        port = make.free_port()
        chain = FilterChain("tcp", TcpProxy("tcp", cluster.name, **options))
        listener = Listener("l", HOST, port, (chain,), direction="OUTBOUND")
        proxy.config.apply(Resources((cluster,), listeners=(listener,)))
        return port, seen

    return start


def moments(entries):
    return [entry.access_log_type for entry in entries]


async def test_a_connection_is_reported_from_its_upstream_to_its_end(proxy, make, echo, reported):
    port, seen = reported(
        make.cluster("c", echo),
        stats=IstioStats("source"),
        access_logs=(FileAccessLog(types=("TcpConnectionEnd",)), GrpcAccessLog("mixer", "xds-grpc")),
        flush_access_log_on_connected=True,
        access_log_flush_interval_s=0.02,
    )
    client = await proxy.client(port)
    client.send(b"ping")
    assert await client.reader.readexactly(8) == b"pingping"
    before = len(seen["IstioStats"])
    await proxy.until(lambda: len(seen["IstioStats"]) > before + 1)
    client.writer.write_eof()
    await client.closed()
    await proxy.until(lambda: "FileAccessLog" in seen)
    assert moments(seen["FileAccessLog"]) == ["TcpConnectionEnd"]
    for name in ("IstioStats", "GrpcAccessLog"):
        first, *more, last = moments(seen[name])
        assert (first, last) == ("TcpUpstreamConnected", "TcpConnectionEnd")
        assert set(more) == {"TcpPeriodic"}
    for entry in seen["IstioStats"][-2:]:
        assert (entry.bytes_received, entry.bytes_sent) == (4, 8)
    assert len({entry.stream_id for entry in seen["IstioStats"]}) == 1
    assert not [timer for slot in proxy.worker.timers._slots.values() for timer in slot if timer.callback]


async def test_metrics_are_reported_without_being_asked_for_logs_are_not(proxy, make, echo, reported):
    port, seen = reported(
        make.cluster("c", echo), stats=IstioStats("source"), access_logs=(GrpcAccessLog("mixer", "xds-grpc"),)
    )
    client = await proxy.client(port)
    await proxy.until(lambda: "IstioStats" in seen)
    assert moments(seen["IstioStats"]) == ["TcpUpstreamConnected"]
    client.writer.write_eof()
    await client.closed()
    await proxy.until(lambda: "GrpcAccessLog" in seen)
    assert moments(seen["GrpcAccessLog"]) == ["TcpConnectionEnd"]


async def test_who_finds_no_upstream_is_reported_once(proxy, make, reported):
    port, seen = reported(make.cluster("c", make.free_port()), stats=IstioStats("source"))
    assert await (await proxy.client(port)).closed() == b""
    await proxy.until(lambda: seen)
    assert moments(seen["IstioStats"]) == ["TcpConnectionEnd"]


async def test_both_sides_know_what_there_is_to_know(proxy, make, echo, secrets_of):
    """At the source the endpoint says which workload it is; at the destination the certificate is all."""
    proxy.worker.contexts.update(secrets_of("bookinfo-productpage"))
    seen = []
    proxy.config = DynamicConfig(proxy.worker, make_connection_sink=lambda _: seen.append)
    inner, outer = make.free_port(), make.free_port()
    tls = UpstreamTls("outbound_.3306_._.db", ("istio",))
    there = make.endpoints("db", inner, workload=DB.to_text())
    clusters = (make.cluster("inbound|3306||", echo), Cluster("db", "STATIC", load_assignment=there, tls=tls))

    def tcp(cluster, reporter):
        return TcpProxy(cluster, cluster, stats=IstioStats(reporter))

    mtls = FilterChain(
        "mtls",
        tcp("inbound|3306||", "destination"),
        FilterChainMatch(transport_protocol="tls"),
        DownstreamTls(("istio",)),
    )
    listeners = (
        Listener("in", HOST, inner, (mtls,), direction="INBOUND", inspect_tls=True),
        Listener("out", HOST, outer, (FilterChain("tcp", tcp("db", "source")),), direction="OUTBOUND"),
    )
    proxy.config.apply(Resources(clusters, listeners=listeners))
    client = await proxy.client(outer)
    client.send(b"ping")
    assert await client.reader.readexactly(8) == b"pingping"
    client.writer.close()
    await proxy.until(lambda: moments(seen).count("TcpConnectionEnd") == 2)
    for entry in seen:
        assert (entry.source_principal, entry.destination_principal) == (CLIENT_ID, CLIENT_ID)
    source = next(entry for entry in seen if entry.reporter == "source")
    assert (source.source, source.destination) == (proxy.worker.own_peer, DB)
    assert source.upstream_host == f"{HOST}:{inner}"
    assert source.upstream_local_address.startswith(f"{HOST}:")
    destination = next(entry for entry in seen if entry.reporter == "destination")
    assert (destination.source, destination.destination) == (Peer(), proxy.worker.own_peer)
    assert destination.requested_server_name == "outbound_.3306_._.db"
    assert destination.tls_version == "TLSv1.3"


async def test_a_handshake_that_fails_is_a_connection_that_was_not_served(proxy, make, echo, secrets_of):
    proxy.worker.contexts.update(secrets_of("bookinfo-productpage"))
    seen = []
    proxy.config = DynamicConfig(proxy.worker, make_connection_sink=lambda _: seen.append)
    port = make.free_port()
    served = TcpProxy("in", "in", stats=IstioStats("destination"))
    listener = Listener("in", HOST, port, (FilterChain("mtls", served, tls=DownstreamTls(("istio",))),))
    proxy.config.apply(Resources((make.cluster("in", echo),), listeners=(listener,)))
    client = await proxy.client(port)
    client.send(b"no TLS at all")
    await client.closed()
    await proxy.until(lambda: seen)
    (entry,) = seen
    assert (entry.access_log_type, entry.bytes_received, entry.upstream_host) == ("TcpConnectionEnd", 0, "")
    assert entry.destination_principal == CLIENT_ID
