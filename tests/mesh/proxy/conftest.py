"""A proxy on loopback, run from values, with scripted origins behind it and raw clients before it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
import uvloop
from envoy.config.bootstrap.v3 import bootstrap_pb2

from labs.harness.free_port import free_port
from mesh.citadel.ca import CertificateAuthority
from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.http_filter import (
    CorsFilter,
    FaultFilter,
    GrpcStats,
    IstioStats,
    LocalRateLimitFilter,
    PeerMetadata,
    Router,
)
from mesh.model.identity import SpiffeId
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.node import Node
from mesh.model.request_report import RequestReport, join
from mesh.model.resources import Resources
from mesh.model.route import Forward, Route, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster
from mesh.model.tls import Secrets, TlsCertificate
from mesh.proxy.agent.csr import key_pem, new_key, signing_request
from mesh.proxy.agent.envoy_binary import find_envoy
from mesh.proxy.agent.issued import read_chain
from mesh.proxy.config import DynamicConfig
from mesh.proxy.worker import Worker
from mesh.xds.codec.codec import encode

HOST = "127.0.0.1"
DEADLINE_S = 5.0
OUTBOUND_FILTERS = (
    PeerMetadata("upstream"),
    GrpcStats(),
    LocalRateLimitFilter(),
    FaultFilter(),
    CorsFilter(),
    IstioStats("source"),
    Router(),
)
Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


def pytest_asyncio_loop_factories(config: object, item: object) -> dict[str, Callable[[], object]]:
    """The loop that production runs on."""
    return {"uvloop": uvloop.new_event_loop}


class Origin:
    """Reads heads (and bodies of known length or in chunks), keeps them, answers with ``respond``."""

    def __init__(self, response: bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi") -> None:
        self.response = response
        self.requests: list[bytes] = []
        self.connections = 0
        self.close_after = False
        self.respond: Answer = self._respond
        self.port = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def _respond(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(self.response)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                body = await read_body(head, reader)
                self.requests.append(head + body)
                await self.respond(head + body, writer)
                if self.close_after:
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()


async def read_body(head: bytes, reader: asyncio.StreamReader) -> bytes:
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return await reader.readuntil(b"0\r\n\r\n")
    _, found, rest = lower.partition(b"\r\ncontent-length:")
    return await reader.readexactly(int(rest.split(b"\r\n")[0])) if found else b""


class Client:
    """A raw client: bytes out, responses in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def response(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(DEADLINE_S):
            head = await self.reader.readuntil(b"\r\n\r\n")
            lines = head.decode().split("\r\n")
            fields: dict[str, str] = {}
            for line in lines[1:-2]:
                name, _, value = line.partition(": ")
                fields[name] = f"{fields[name]}, {value}" if name in fields else value
            body = await self._body(fields) if has_body else b""
            return int(lines[0].split(" ")[1]), fields, body

    async def _body(self, fields: dict[str, str]) -> bytes:
        if fields.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                body += await self.reader.readexactly(size)
                await self.reader.readexactly(2)
            await self.reader.readexactly(2)
            return body
        if "content-length" in fields:
            return await self.reader.readexactly(int(fields["content-length"]))
        return await self.reader.read()

    async def get(
        self, path: str = "/", host: str = "reviews:9080", *lines: str
    ) -> tuple[int, dict[str, str], bytes]:
        self.send("\r\n".join((f"GET {path} HTTP/1.1", f"Host: {host}", *lines, "", "")).encode())
        return await self.response()

    async def closed(self) -> bytes:
        """What comes until the proxy closes; nothing when it reset, or closed before we looked (ENOTCONN)."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                return await self.reader.read()
            except OSError:
                return b""


class Proxy:
    """A data plane on one loop, fed with values; ``entries`` is its access log."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.node = Node("productpage-v1-0", "default", "127.0.0.1", "bookinfo-productpage", "productpage-v1")
        self.worker = Worker(self.node, loop, rng=Random(7), peer_metadata=b"me")
        self.entries: list[AccessLogEntry] = []
        self.config = DynamicConfig(
            self.worker,
            lambda source: self._request_over if isinstance(source, IstioStats) else None,
            lambda source: self.entries.append if isinstance(source, IstioStats) else None,
        )
        self._servers: list[asyncio.Server] = []
        self._origins: list[Origin] = []
        self._clients: list[Client] = []

    def _request_over(self, report: RequestReport) -> None:
        self.entries.append(join(report))

    async def origin(self, response: bytes | None = None, tls: object = None) -> Origin:
        origin = Origin(response) if response is not None else Origin()
        server = await asyncio.start_server(origin.serve, HOST, 0, ssl=tls)  # type: ignore[arg-type]
        origin.port = server.sockets[0].getsockname()[1]
        self._servers.append(server)
        self._origins.append(origin)
        return origin

    async def client(self, port: int) -> Client:
        reader, writer = await asyncio.open_connection(HOST, port)
        client = Client(reader, writer)
        self._clients.append(client)
        return client

    async def stop(self) -> None:
        for client in self._clients:
            client.writer.transport.abort()
        for origin in self._origins:
            origin.stop()
        for server in self._servers:
            server.close()
        for listener in self.config.listeners.values():
            listener.stop()
            for chain in listener.chains.values():
                for connection in list(chain.live):
                    connection.transport.abort()
        for cluster in self.worker.clusters.values():
            cluster.drain()
        await self.settled()

    async def settled(self) -> None:
        """Until no exchange is in hand."""
        for _ in range(20):
            await asyncio.sleep(0)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.002)


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    made = Proxy()
    yield made
    await made.stop()


def endpoints(name: str, *ports: int, **options: object) -> ClusterLoadAssignment:
    group = LocalityEndpoints(tuple(Endpoint(HOST, port, **options) for port in ports))  # type: ignore[arg-type]
    return ClusterLoadAssignment(name, (group,))


def cluster(name: str, *ports: int, **options: object) -> Cluster:
    return Cluster(name, "STATIC", load_assignment=endpoints(name, *ports), **options)  # type: ignore[arg-type]


def forward(name: str, **options: object) -> Forward:
    return Forward((WeightedCluster(name),), **options)  # type: ignore[arg-type]


def routes(*found: Route, name: str = "9080") -> RouteConfiguration:
    return RouteConfiguration(name, (VirtualHost("any", ("*",), found, include_attempt_count=True),))


def outbound(port: int, routing: RouteConfiguration, **options: object) -> Listener:
    manager = HttpConnectionManager(
        "outbound",
        OUTBOUND_FILTERS,
        route_config=routing,
        server_name="istio-envoy",
        internal_networks=("127.0.0.0/8",),
        **options,  # type: ignore[arg-type]
    )
    return Listener(f"{HOST}_{port}", HOST, port, (FilterChain("http", manager),), direction="OUTBOUND")


@pytest.fixture
def serve(proxy: Proxy) -> Callable[..., Awaitable[Client]]:
    """serve(action or routes, clusters) -> a client of a new outbound listener that does it."""

    async def start(action: object, *clusters: Cluster, **options: object) -> Client:
        routing = action if isinstance(action, RouteConfiguration) else routes(Route(RouteMatch(), action))  # type: ignore[arg-type]
        port = free_port()
        proxy.config.apply(
            Resources(clusters=clusters, listeners=(outbound(port, routing, **options),), routes=())
        )
        return await proxy.client(port)

    return start


class PemFiles:
    """files(name, certificate) -> its chain and its key in files; files.write(name, content) -> one file."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def __call__(self, name: str, issued: TlsCertificate) -> tuple[str, str]:
        return self.write(f"{name}.pem", issued.chain_pem), self.write(f"{name}.key", issued.key_pem)

    def write(self, name: str, content: bytes) -> str:
        path = self._directory / name
        path.write_bytes(content)
        return str(path)


@pytest.fixture
def pem_files(tmp_path: Path) -> PemFiles:
    return PemFiles(tmp_path)


@pytest.fixture(scope="session")
def secrets_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Secrets]:
    """secrets_of("reviews") -> a certificate of that account; another ``authority`` is another root."""
    authorities: dict[str, CertificateAuthority] = {}

    def make(account: str, authority: str = "mesh") -> Secrets:
        if authority not in authorities:
            authorities[authority] = CertificateAuthority.open(tmp_path_factory.mktemp(authority))
        ca = authorities[authority]
        identity = SpiffeId("default", account)
        key = new_key()
        leaf = ca.sign(signing_request(key, identity), identity)
        found, _ = read_chain([leaf, ca.root_pem.decode()], key_pem(key), identity)
        return found

    return make


@pytest.fixture
async def envoy(proxy: Proxy, tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Client]]]:
    """envoy(routes or a listener, clusters) -> a client of the real Envoy that was given the same values.
    ``adapt`` is given its bootstrap, for what there are no values for."""
    processes: list[asyncio.subprocess.Process] = []

    async def start(
        given: RouteConfiguration | Listener,
        *clusters: Cluster,
        adapt: Callable[[bootstrap_pb2.Bootstrap], None] = lambda _: None,
    ) -> Client:
        if isinstance(given, RouteConfiguration):
            manager = HttpConnectionManager("test", (Router(),), route_config=given)
            listener = Listener("test", HOST, free_port(), (FilterChain("http", manager),))
        else:
            listener = given
        bootstrap = bootstrap_pb2.Bootstrap(node={"id": "test", "cluster": "test"})
        bootstrap.static_resources.listeners.add().MergeFromString(encode(listener).value)
        for each in clusters:
            bootstrap.static_resources.clusters.add().MergeFromString(encode(each).value)
        adapt(bootstrap)
        path = tmp_path / "bootstrap.pb"
        path.write_bytes(bootstrap.SerializeToString())
        command = (str(find_envoy()), "-c", str(path), "--disable-hot-restart", "--concurrency", "1")
        quickly = ("--file-flush-interval-msec", "10", "-l", "critical")
        process = await asyncio.create_subprocess_exec(*command, *quickly)
        processes.append(process)
        async with asyncio.timeout(20):
            while True:
                assert process.returncode is None
                try:
                    return await proxy.client(listener.port)
                except OSError:
                    await asyncio.sleep(0.02)

    yield start
    for process in processes:
        process.kill()
        await process.wait()


@pytest.fixture
def make() -> type:
    """The values tests build configurations from."""

    class Make:
        cluster = staticmethod(cluster)
        endpoints = staticmethod(endpoints)
        forward = staticmethod(forward)
        routes = staticmethod(routes)
        outbound = staticmethod(outbound)
        free_port = staticmethod(free_port)

    return Make
