"""The whole agent with a real Envoy, configured over ADS by a control plane in this process."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import pytest
from cryptography import x509

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.http_filter import (
    REPORTER_TAG,
    SOURCE_PEER_TAG,
    FaultFilter,
    FileAccessLog,
    GrpcAccessLog,
    HeaderToMetadata,
    MetadataTag,
    Router,
)
from mesh.model.listener import FilterChain, FilterChainMatch, HttpConnectionManager, Listener
from mesh.model.names import (
    AGENT_CLUSTER,
    MTLS_ALPN,
    PEER_METADATA_HEADER,
    UPSTREAM_ALPN,
)
from mesh.model.node import Node
from mesh.model.peer import Peer
from mesh.model.route import Forward, Route, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster
from mesh.model.tls import DownstreamTls
from mesh.proxy.agent.envoy import run
from mesh.proxy.agent.envoy_process import EnvoyDiedError
from mesh.proxy.agent.secrets import SecretManager
from mesh.proxy.bootstrap import Bootstrap
from mesh.xds.codec.peer import encode_peer

pytestmark = pytest.mark.envoy

DEADLINE_S = 30.0
PORT = 9080
INBOUND = "inbound|9080||"
PRODUCTPAGE = Peer("productpage-v1", "default", "productpage", "v1", "productpage", "v1", "Kubernetes")
CALLER = "spiffe://cluster.local/ns/default/sa/bookinfo-productpage"


def inbound_listener(node: Node) -> Listener:
    """What pilot gives this workload, the mTLS chain only."""
    tags = (
        MetadataTag(REPORTER_TAG, "literal", "destination"),
        MetadataTag(SOURCE_PEER_TAG, "request", "istio", "peer"),
    )
    route = Route(RouteMatch(), Forward((WeightedCluster(INBOUND),)), name="default")
    manager = HttpConnectionManager(
        stat_prefix="inbound_9080",
        filters=(HeaderToMetadata(PEER_METADATA_HEADER, "istio", "peer"), FaultFilter(), Router()),
        route_config=RouteConfiguration(INBOUND, (VirtualHost("inbound|http|9080", ("*",), (route,)),)),
        access_logs=(
            FileAccessLog(),
            GrpcAccessLog("mixer", AGENT_CLUSTER, tags, flush_interval_s=0.1),
        ),
        forward_client_cert="APPEND_FORWARD",
    )
    chain = FilterChain("tls", manager, FilterChainMatch(transport_protocol="tls"), DownstreamTls(MTLS_ALPN))
    return Listener(
        f"{node.address}_{PORT}", node.address, PORT, (chain,), direction="INBOUND", inspect_tls=True
    )


@dataclass
class Mesh:
    """The control plane, an application behind the sidecar, and a caller of another account."""

    node: Node
    bootstrap: Bootstrap
    control_plane: Any
    caller: SecretManager
    directory: Path

    @property
    def base(self) -> str:
        return f"http://{self.node.address}"

    def client_context(self) -> ssl.SSLContext:
        secrets = self.caller.current
        file = self.directory / "caller.pem"
        file.write_bytes(secrets.certificate.key_pem + secrets.certificate.chain_pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # the peer is checked by its SPIFFE id
        context.load_verify_locations(cadata=secrets.roots_pem.decode())
        context.load_cert_chain(file)
        context.set_alpn_protocols(list(UPSTREAM_ALPN))
        return context

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(self.node.address, PORT, ssl=self.client_context())


@pytest.fixture
async def mesh(
    node: Node,
    bootstrap: Bootstrap,
    control_plane: Any,
    as_account: Callable[[str], tuple[Node, Bootstrap]],
    tmp_path: Path,
) -> AsyncIterator[Mesh]:
    async def application(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        writer.close()

    app = await asyncio.start_server(application, "127.0.0.1", 0)
    endpoint = Endpoint("127.0.0.1", app.sockets[0].getsockname()[1])
    assignment = ClusterLoadAssignment(INBOUND, (LocalityEndpoints((endpoint,)),))
    control_plane.ads.resources["CDS"] = [Cluster(INBOUND, "STATIC", load_assignment=assignment)]
    control_plane.ads.resources["LDS"] = [inbound_listener(node)]
    caller = SecretManager(*as_account("bookinfo-productpage"))
    await asyncio.wait_for(caller.start(), DEADLINE_S)
    yield Mesh(node, bootstrap, control_plane, caller, tmp_path)
    await caller.stop()
    app.close()


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():  # noqa: ASYNC110 - the other side is another process
            await asyncio.sleep(0.02)


async def fetch(url: str) -> tuple[int, str]:
    """(0, reason) when nobody answers."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientError as failure:
        return 0, str(failure)


async def is_ready(mesh: Mesh) -> bool:
    return (await fetch(f"{mesh.base}:15021/healthz/ready"))[0] == 200


@asynccontextmanager
async def running(mesh: Mesh) -> AsyncIterator[asyncio.Task[None]]:
    """The sidecar, ready; afterwards it is told to end, and must."""
    sidecar = asyncio.create_task(run(mesh.node, mesh.bootstrap))
    try:
        ready = asyncio.create_task(eventually(lambda: is_ready(mesh)))
        await asyncio.wait({ready, sidecar}, return_when=asyncio.FIRST_COMPLETED)
        if sidecar.done():
            ready.cancel()
            sidecar.result()
        await ready
        yield sidecar
    finally:
        if not sidecar.done():
            os.kill(os.getpid(), signal.SIGTERM)
        with suppress(EnvoyDiedError):
            await asyncio.wait_for(sidecar, DEADLINE_S)


async def request(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, extra: str = ""
) -> tuple[bytes, bytes]:
    """One GET on the connection: (head, body of two bytes)."""
    writer.write(f"GET /reviews/0 HTTP/1.1\r\nhost: reviews:9080\r\n{extra}\r\n".encode())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_S)
    return head, await reader.readexactly(2)


def served(writer: asyncio.StreamWriter) -> x509.Certificate:
    return x509.load_der_x509_certificate(writer.get_extra_info("ssl_object").getpeercert(binary_form=True))


def envoys() -> list[psutil.Process]:
    """Those that run; one that has ended may not be collected yet."""
    return [child for child in psutil.Process().children(recursive=True) if "envoy.json" in command_of(child)]


def command_of(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.ZombieProcess, psutil.NoSuchProcess):
        return ""


async def test_serves_mtls_with_its_identity_and_counts_what_it_served(mesh: Mesh) -> None:
    async with running(mesh):
        reader, writer = await mesh.connect()
        names = served(writer).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == [str(mesh.node.spiffe_id)]
        for _ in range(3):
            head, body = await request(
                reader, writer, f"{PEER_METADATA_HEADER}: {encode_peer(PRODUCTPAGE)}\r\n"
            )
            assert (head.split(b"\r\n")[0], body) == (b"HTTP/1.1 200 OK", b"hi")
        writer.close()

        async def counted() -> bool:
            _, text = await fetch(f"{mesh.base}:15020/stats/prometheus")
            lines = [line for line in text.splitlines() if line.startswith("istio_requests_total{")]
            return len(lines) == 1 and lines[0].endswith(" 3")

        await eventually(counted)
        _, metrics = await fetch(f"{mesh.base}:15020/stats/prometheus")
        line = next(line for line in metrics.splitlines() if line.startswith("istio_requests_total{"))
        for label in (
            'reporter="destination"',
            'source_workload="productpage-v1"',
            f'source_principal="{CALLER}"',
            'destination_workload="reviews-v1"',
            f'destination_principal="{mesh.node.spiffe_id}"',
            'connection_security_policy="mutual_tls"',
            'response_code="200"',
        ):
            assert label in line
        assert "\nenvoy_server_live{} 1\n" in metrics
        assert (await fetch(f"{mesh.base}:15090/stats/prometheus"))[0] == 200
        await asyncio.wait_for(mesh.control_plane.als.arrived.wait(), 10.0)
        assert mesh.control_plane.als.messages[0].identifier.log_name == "mixer"
    assert (mesh.directory / "access.log").read_text().count('"GET /reviews/0 HTTP/1.1" 200') == 3


async def test_a_caller_without_a_certificate_is_refused(mesh: Mesh) -> None:
    async with running(mesh):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await request(*await asyncio.open_connection(mesh.node.address, PORT, ssl=context))
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await request(*await asyncio.open_connection(mesh.node.address, PORT))


async def test_the_certificate_rotates_without_dropping_a_connection(mesh: Mesh) -> None:
    mesh.bootstrap = replace(mesh.bootstrap, secret_ttl_s=4)
    mesh.control_plane.ca._now = __import__("time").time
    async with running(mesh):
        reader, writer = await mesh.connect()
        first = served(writer).serial_number

        async def rotated() -> bool:
            assert (await request(reader, writer))[1] == b"hi"
            _, another = await mesh.connect()
            another.close()
            return served(another).serial_number != first

        await eventually(rotated)
        assert (await request(reader, writer))[1] == b"hi"
        writer.close()


async def test_goes_on_while_the_control_plane_is_away_and_reconnects(mesh: Mesh) -> None:
    async with running(mesh):
        await mesh.control_plane.stop()
        reader, writer = await mesh.connect()
        assert (await request(reader, writer))[1] == b"hi"
        mesh.control_plane.ads.began.clear()
        await mesh.control_plane.start()
        await asyncio.wait_for(mesh.control_plane.ads.began.wait(), DEADLINE_S)
        assert (await request(reader, writer))[1] == b"hi"
        writer.close()


async def test_sigterm_leaves_the_registry_then_lets_the_last_request_finish(mesh: Mesh) -> None:
    async with running(mesh) as sidecar:
        reader, writer = await mesh.connect()
        await request(reader, writer)
        mesh.control_plane.ads.ended_cleanly.clear()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(mesh.control_plane.ads.ended_cleanly.wait(), DEADLINE_S)

        async def asked_to_close() -> bool:
            return b"connection: close" in (await request(reader, writer))[0].lower()

        await eventually(asked_to_close)
        assert not await is_ready(mesh)
        writer.close()
        await asyncio.wait_for(sidecar, DEADLINE_S)
    assert envoys() == []


async def test_an_envoy_that_dies_is_named(mesh: Mesh) -> None:
    async with running(mesh) as sidecar:
        (envoy,) = envoys()
        envoy.kill()
        with pytest.raises(EnvoyDiedError, match=rf"envoy \(pid {envoy.pid}\) was killed by signal 9"):
            await asyncio.wait_for(sidecar, DEADLINE_S)


async def test_is_not_ready_and_ends_at_once_when_there_is_no_control_plane(mesh: Mesh) -> None:
    await mesh.control_plane.stop()
    sidecar = asyncio.create_task(run(mesh.node, mesh.bootstrap))

    async def answers() -> bool:
        return (await fetch(f"{mesh.base}:15021/healthz/ready"))[0] == 503

    await eventually(answers)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(sidecar, DEADLINE_S)
    assert envoys() == []
