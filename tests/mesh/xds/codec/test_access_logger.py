"""The access log of the real Envoy: what its own entries say about one request over mTLS.

    client -> outbound listener -> cluster with mTLS by endpoint -> inbound listener -> application

Both listeners are one Envoy's; secrets come over SDS, entries go to an access log service.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import grpc
import pytest
from aiohttp import web
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.secret.v3 import sds_pb2_grpc

from mesh.citadel.ca import CertificateAuthority
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.http_filter import (
    DESTINATION_PEER_TAG,
    REPORTER_TAG,
    SOURCE_PEER_TAG,
    GrpcAccessLog,
    GrpcStats,
    HeaderToMetadata,
    MetadataTag,
    Router,
)
from mesh.model.listener import FilterChain, FilterChainMatch, HttpConnectionManager, Listener, TcpProxy
from mesh.model.names import PEER_METADATA_HEADER
from mesh.model.peer import Peer
from mesh.model.resources import Resources
from mesh.model.route import (
    Forward,
    HeaderMutation,
    Route,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)
from mesh.model.tls import DownstreamTls, UpstreamTls
from mesh.proxy.agent.csr import key_pem, new_key, signing_request
from mesh.proxy.agent.issued import read_chain
from mesh.xds.codec.access_log import decode_entry
from mesh.xds.codec.codec import TYPE_URLS
from mesh.xds.codec.connection_log import decode_connection
from mesh.xds.codec.peer import encode_peer
from mesh.xds.codec.secret import encode_secrets
from mesh.xds.codec.wire import pack

pytestmark = pytest.mark.envoy

REVIEWS = Peer("reviews-v1", "default", "reviews", "v1", "reviews", "v1", "Kubernetes")
SIDES = ("source", "destination")
CALLER = Peer("productpage-v1", "default", "productpage", "v1", "productpage", "v1", "Kubernetes")


@dataclass
class Sds(sds_pb2_grpc.SecretDiscoveryServiceServicer):
    """The node's secrets, once, to whoever asks."""

    secrets: dict

    async def StreamSecrets(self, requests, context):
        async for request in requests:
            if not request.response_nonce:
                resources = [pack(self.secrets[name]) for name in request.resource_names]
                yield discovery_pb2.DiscoveryResponse(
                    version_info="1", nonce="1", type_url=TYPE_URLS["SDS"], resources=resources
                )


@dataclass
class Als(als_pb2_grpc.AccessLogServiceServicer):
    entries: dict[str, AccessLogEntry] = field(default_factory=dict)
    reports: list[AccessLogEntry] = field(default_factory=list)  # of connections
    arrived: asyncio.Event = field(default_factory=asyncio.Event)  # from as many reporters as expected
    expected: int = 1

    async def StreamAccessLogs(self, requests, context):
        async for message in requests:
            for logged in message.http_logs.log_entry:
                entry = decode_entry(logged)
                self.entries[entry.reporter] = entry
            self.reports += [decode_connection(logged) for logged in message.tcp_logs.log_entry]
            if message.tcp_logs.log_entry or len(self.entries) == self.expected:
                self.arrived.set()
        return als_pb2.StreamAccessLogsResponse()

    def of(self, reporter, moment):
        return [one for one in self.reports if (one.reporter, one.access_log_type) == (reporter, moment)]

    async def until(self, condition):
        """Until a report makes it true."""
        async with asyncio.timeout(10):
            while not condition():
                self.arrived.clear()
                await self.arrived.wait()


@pytest.fixture
async def als(control_plane, node, tmp_path):
    """Served, with SDS, by the server that Envoy has its configuration from."""
    authority = CertificateAuthority.open(tmp_path)
    key = new_key()
    leaf = authority.sign(signing_request(key, node.spiffe_id), node.spiffe_id)
    secrets, _ = read_chain([leaf, authority.root_pem.decode()], key_pem(key), node.spiffe_id)
    service = Als()
    control_plane.services = lambda server: (
        sds_pb2_grpc.add_SecretDiscoveryServiceServicer_to_server(Sds(encode_secrets(secrets)), server),
        als_pb2_grpc.add_AccessLogServiceServicer_to_server(service, server),
    )
    await control_plane.stop()
    await control_plane.start()
    return service


@pytest.fixture
async def app_port():
    async def answer(request):
        return web.Response(text=str(PEER_METADATA_HEADER in request.headers), headers={"x-app": "1"})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner.addresses[0][1]
    await runner.cleanup()


def manager(name, cluster, log, *, filters=(Router(),), request_headers=None):  # noqa: B008
    route = Route(RouteMatch(), Forward((WeightedCluster(cluster),)), f"{name}-route")
    host = VirtualHost("all", ("*",), (route,))
    config = RouteConfiguration(name, (host,), request_headers or HeaderMutation())
    return HttpConnectionManager(
        name, filters, route_config=config, access_logs=(log,), forward_client_cert="APPEND_FORWARD"
    )


def endpoints(name, port, **about):
    group = LocalityEndpoints((Endpoint("127.0.0.1", port, **about),))
    return ClusterLoadAssignment(name, (group,))


def log(*tags):
    return GrpcAccessLog("mixer", "xds-grpc", tags, flush_interval_s=0.05)


def inbound(node, port):
    """An mTLS listener before the application."""
    tags = (
        MetadataTag(REPORTER_TAG, "literal", "destination"),
        MetadataTag(SOURCE_PEER_TAG, "request", "istio", "peer"),
    )
    filters = HeaderToMetadata(PEER_METADATA_HEADER, "istio", "peer"), Router()
    chain = FilterChain(
        "mtls",
        manager("inbound", "inbound|9080||", log(*tags), filters=filters),
        FilterChainMatch(transport_protocol="tls"),
        DownstreamTls(("istio",)),
    )
    app = Cluster("inbound|9080||", "STATIC", load_assignment=endpoints("inbound|9080||", port))
    return Listener("inbound", "127.0.0.1", 0, (chain,), "INBOUND", inspect_tls=True), app


def outbound(node, port):
    """A plaintext listener whose cluster speaks mTLS to the inbound one."""
    tags = (
        MetadataTag(REPORTER_TAG, "literal", "source"),
        MetadataTag(DESTINATION_PEER_TAG, "host", "istio", "workload"),
    )
    headers = HeaderMutation(set=((PEER_METADATA_HEADER, encode_peer(CALLER)),))
    chain = FilterChain("http", manager("outbound", "reviews", log(*tags), request_headers=headers))
    tls = UpstreamTls("outbound_.9080_._.reviews", ("istio",), (str(node.spiffe_id),))
    reviews = Cluster("reviews", "EDS", tls=tls, tls_by_endpoint=True)
    there = endpoints("reviews", port, mtls=True, workload=REVIEWS.to_text())
    return Listener("outbound", "127.0.0.1", 0, (chain,), "OUTBOUND"), reviews, there


async def test_both_sides_of_a_request_are_told_by_envoys_entries(als, envoy, source, node, app_port):
    als.expected = 2
    server, app = inbound(node, app_port)
    await source.until_acked(source.push(Resources((app,), (), (server,))))
    port = int((await envoy.url("inbound")).rstrip("/").rpartition(":")[2])
    client, reviews, there = outbound(node, port)
    await source.until_acked(source.push(Resources((app, reviews), (there,), (server, client))))

    started = time.time()
    headers = {"user-agent": "test/1", "x-request-id": "4f0a7a50-0000-4000-8000-000000000001"}
    async with envoy.http.get(f"{await envoy.url('outbound')}reviews/0?x=1", headers=headers) as response:
        assert (response.status, await response.text()) == (200, "False"), "the peer header went no further"
    async with asyncio.timeout(10):
        await als.arrived.wait()

    for entry in als.entries.values():
        assert (entry.method, entry.path, entry.protocol) == ("GET", "/reviews/0?x=1", "HTTP/1.1")
        assert (entry.response_code, entry.response_flags) == (200, "-")
        assert (entry.response_code_details, entry.bytes_sent) == ("via_upstream", len("False"))
        assert entry.user_agent == "test/1"
        assert entry.request_id == headers["x-request-id"]
        assert abs(entry.start_time - started) < 10
        assert 0 < entry.duration_s < 10
        assert entry.upstream_service_time_s is not None
        assert entry.request_header_bytes > 0
        assert entry.response_header_bytes > 0
        assert entry.source_principal == str(node.spiffe_id)
        assert entry.destination_principal == str(node.spiffe_id)
    here, far = als.entries["destination"], als.entries["source"]
    assert (here.source, far.destination) == (CALLER, REVIEWS)
    assert (here.tls_version, far.tls_version) == ("TLSv1.3", "")
    assert here.requested_server_name == "outbound_.9080_._.reviews"
    assert (here.upstream_cluster, far.upstream_cluster) == ("inbound|9080||", "reviews")
    assert (here.route_name, far.route_name) == ("inbound-route", "outbound-route")
    assert here.upstream_host == f"127.0.0.1:{app_port}"
    assert far.upstream_host == here.downstream_local_address == f"127.0.0.1:{port}"


async def test_a_failure_is_told_by_its_flag_and_reason(als, envoy, source):
    reporter = MetadataTag(REPORTER_TAG, "literal", "source")
    chain = FilterChain("http", manager("outbound", "nobody", log(reporter)))
    listener = Listener("outbound", "127.0.0.1", 0, (chain,), "OUTBOUND")
    nobody = Cluster("nobody", "STATIC", load_assignment=endpoints("nobody", 1))
    await source.until_acked(source.push(Resources((nobody,), (), (listener,))))
    async with envoy.http.get(await envoy.url("outbound")) as response:
        assert response.status == 503
    async with asyncio.timeout(10):
        await als.arrived.wait()
    entry = als.entries["source"]
    assert entry.response_flags == "UF"
    assert "connection_failure" in entry.response_code_details
    assert "Connection refused" in entry.upstream_transport_failure_reason
    assert (entry.source_principal, entry.destination_principal) == ("", "")


async def test_a_calls_messages_are_in_its_entry(als, envoy, source):
    """Envoy's grpc_stats leaves them in its filter state, and the log takes them from there."""

    async def echo_twice(messages, context):
        async for message in messages:
            yield message
            yield message

    methods = {"Both": grpc.stream_stream_rpc_method_handler(echo_twice)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", methods),))
    app = Cluster(
        "app",
        "STATIC",
        load_assignment=endpoints("app", server.add_insecure_port("127.0.0.1:0")),
        http2=True,
    )
    await server.start()
    reporter = MetadataTag(REPORTER_TAG, "literal", "source")
    chain = FilterChain("http", manager("outbound", "app", log(reporter), filters=(GrpcStats(), Router())))
    listener = Listener("outbound", "127.0.0.1", 0, (chain,), "OUTBOUND")
    await source.until_acked(source.push(Resources((app,), (), (listener,))))

    async def three():
        for _ in range(3):
            yield b"m"

    authority = (await envoy.url("outbound")).removeprefix("http://").rstrip("/")
    async with grpc.aio.insecure_channel(authority) as channel:
        assert len([m async for m in channel.stream_stream("/t.T/Both")(three(), timeout=10)]) == 6
    async with asyncio.timeout(10):
        await als.arrived.wait()
    await server.stop(None)
    entry = als.entries["source"]
    assert (entry.grpc_status, entry.request_messages, entry.response_messages) == ("0", 3, 6)


def bytes_to(cluster, *tags):
    """A TCP proxy that reports when it is connected, every 50 ms, and at the end."""
    return TcpProxy(
        "tcp",
        cluster,
        (log(*tags),),
        flush_access_log_on_connected=True,
        access_log_flush_interval_s=0.05,
        after_handshake=True,
    )


async def test_both_sides_of_a_connection_report_it_from_its_upstream_to_its_end(als, envoy, source, node):
    async def serve(reader, writer):
        writer.write((await reader.readexactly(4)) * 2)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    app = Cluster(
        "inbound|3306||",
        "STATIC",
        load_assignment=endpoints("inbound|3306||", server.sockets[0].getsockname()[1]),
    )
    near = bytes_to("inbound|3306||", MetadataTag(REPORTER_TAG, "literal", "destination"))
    inner = FilterChain("mtls", near, FilterChainMatch(transport_protocol="tls"), DownstreamTls(("istio",)))
    listener = Listener("inbound", "127.0.0.1", 0, (inner,), "INBOUND", inspect_tls=True)
    await source.until_acked(source.push(Resources((app,), (), (listener,))))
    port = int((await envoy.url("inbound")).rstrip("/").rpartition(":")[2])
    tls = UpstreamTls("outbound_.3306_._.db", ("istio",), (str(node.spiffe_id),))
    db = Cluster("db", "EDS", tls=tls, tls_by_endpoint=True)
    far = bytes_to(
        "db",
        MetadataTag(REPORTER_TAG, "literal", "source"),
        MetadataTag(DESTINATION_PEER_TAG, "host", "istio", "workload"),
    )
    client = Listener("outbound", "127.0.0.1", 0, (FilterChain("tcp", far),), "OUTBOUND")
    there = endpoints("db", port, mtls=True, workload=REVIEWS.to_text())
    await source.until_acked(source.push(Resources((app, db), (there,), (listener, client))))

    outbound = int((await envoy.url("outbound")).rstrip("/").rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", outbound)
    writer.write(b"ping")
    assert await reader.readexactly(8) == b"pingping"
    for side in SIDES:
        await als.until(lambda side=side: any(one.bytes_sent == 8 for one in als.of(side, "TcpPeriodic")))
    writer.close()
    for side in SIDES:
        await als.until(lambda side=side: als.of(side, "TcpConnectionEnd"))
    server.close()

    for side in SIDES:
        (begun,), (over,) = als.of(side, "TcpUpstreamConnected"), als.of(side, "TcpConnectionEnd")
        assert begun.bytes_sent == 0
        assert (over.bytes_received, over.bytes_sent, over.response_flags) == (4, 8, "-")
        assert {one.stream_id for one in als.reports if one.reporter == side} == {begun.stream_id}
        assert begun.source_principal == begun.destination_principal == str(node.spiffe_id)
        assert begun.upstream_host
    assert als.of("source", "TcpUpstreamConnected")[0].destination == REVIEWS
    assert als.of("destination", "TcpConnectionEnd")[0].tls_version == "TLSv1.3"
