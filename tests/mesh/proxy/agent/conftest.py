"""A real control plane in small (TLS, tokens, certificates, scripted ADS, ALS), and a workload."""

from __future__ import annotations

import asyncio
import heapq
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.service.accesslog.v3 import als_pb2, als_pb2_grpc
from envoy.service.discovery.v3 import ads_pb2_grpc, discovery_pb2

from mesh.citadel.ca import CertificateAuthority
from mesh.citadel.interceptor import AuthInterceptor, authenticated
from mesh.citadel.metrics import CitadelMetrics
from mesh.citadel.server_credentials import server_credentials
from mesh.citadel.service import CaServicer
from mesh.citadel.tokens import Tokens
from mesh.model.identity import SpiffeId
from mesh.model.node import Node
from mesh.proxy.bootstrap import Bootstrap
from mesh.xds.codec.codec import TYPE_URLS, encode

DEADLINE_S = 20.0


class ScriptedAds(ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]
    """Answers each type's first request with what was put into ``resources``; records everything."""

    def __init__(self) -> None:
        self.resources: dict[str, list[Any]] = {name: [] for name in TYPE_URLS}
        self.requests: list[Any] = []
        self.callers: list[SpiffeId] = []
        self.began = asyncio.Event()
        self.ended_cleanly = asyncio.Event()

    async def StreamAggregatedResources(self, requests: Any, _context: Any) -> AsyncIterator[Any]:
        self.callers.append(authenticated())
        self.began.set()
        names = {url: name for name, url in TYPE_URLS.items()}
        async for request in requests:
            self.requests.append(request)
            if request.response_nonce or request.type_url not in names:
                continue
            held = [encode(resource) for resource in self.resources[names[request.type_url]]]
            yield discovery_pb2.DiscoveryResponse(
                type_url=request.type_url, version_info="1", nonce="1", resources=held
            )
        self.ended_cleanly.set()


class CollectedLogs(als_pb2_grpc.AccessLogServiceServicer):  # type: ignore[misc]
    def __init__(self) -> None:
        self.messages: list[Any] = []
        self.arrived = asyncio.Event()

    async def StreamAccessLogs(self, requests: Any, _context: Any) -> Any:
        async for message in requests:
            self.messages.append(message)
            self.arrived.set()
        return als_pb2.StreamAccessLogsResponse()


@dataclass
class ControlPlane:
    data_dir: Path
    ca: CertificateAuthority
    tokens: Tokens
    metrics: CitadelMetrics
    ads: ScriptedAds = field(default_factory=ScriptedAds)
    als: CollectedLogs = field(default_factory=CollectedLogs)
    port: int = 0
    server: Any = None

    async def start(self) -> None:
        """On the same port each time."""
        self.server = grpc.aio.server(
            interceptors=[AuthInterceptor(self.tokens, self.metrics)], options=(("grpc.so_reuseport", 0),)
        )
        CaServicer(self.ca, self.metrics).add_to_server(self.server)
        ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(self.ads, self.server)
        als_pb2_grpc.add_AccessLogServiceServicer_to_server(self.als, self.server)
        # the server's own certificate lives in real time: gRPC's clients know no other clock
        credentials = server_credentials(CertificateAuthority.open(self.data_dir), "127.0.0.1")
        self.port = self.server.add_secure_port(f"127.0.0.1:{self.port}", credentials)
        await self.server.start()

    async def stop(self) -> None:
        await self.server.stop(None)


@dataclass
class Clock:
    """Time that passes only when told to. ``asleep`` holds the lengths of the sleeps so far."""

    now_s: float = field(default_factory=time.time)
    slept: deque[float] = field(default_factory=deque)
    _waiting: list[tuple[float, int, asyncio.Future[None]]] = field(default_factory=list)
    _order: Any = field(default_factory=count)
    _fell_asleep: asyncio.Event = field(default_factory=asyncio.Event)

    def now(self) -> float:
        return self.now_s

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._waiting, (self.now_s + seconds, next(self._order), done))
        self._fell_asleep.set()
        await done

    async def until_asleep(self) -> float:
        """Wait until somebody sleeps; answers for how long."""
        while not self.slept:
            self._fell_asleep.clear()
            await asyncio.wait_for(self._fell_asleep.wait(), DEADLINE_S)
        return self.slept.popleft()

    async def advance_until(self, done: asyncio.Future[Any]) -> None:
        """Let seconds pass until something, which also waits for real I/O, is done."""
        async with asyncio.timeout(DEADLINE_S):
            while not done.done():
                self.advance(1)
                await asyncio.wait({done}, timeout=0.02)

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
        while self._waiting and self._waiting[0][0] <= self.now_s:
            done = heapq.heappop(self._waiting)[2]
            if not done.done():
                done.set_result(None)


@pytest.fixture
async def clock() -> Clock:
    return Clock()


@pytest.fixture
async def control_plane(tmp_path: Path, clock: Clock) -> AsyncIterator[ControlPlane]:
    ca = CertificateAuthority.open(tmp_path, now=clock.now)
    made = ControlPlane(tmp_path, ca, Tokens.open(tmp_path), CitadelMetrics(ca))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def node() -> Node:
    """On an address of this process's own, so that test runs beside each other do not collide."""
    pid = os.getpid()
    address = f"127.63.{pid >> 8 & 0xFF}.{pid & 0xFF}"
    return Node(
        name="reviews-v1-0",
        namespace="default",
        address=address,
        service_account="bookinfo-reviews",
        workload="reviews-v1",
        service="reviews",
        labels={"app": "reviews", "version": "v1"},
        app_address="127.0.0.1",
        interception="NONE",
        engine="envoy",
        admin_address=address,
    )


@pytest.fixture
def bootstrap(control_plane: ControlPlane, node: Node) -> Bootstrap:
    """With a token for the node's account."""
    data_dir = control_plane.data_dir
    token_file = data_dir / "token"
    token_file.write_text(control_plane.tokens.issue(node.namespace, node.service_account) + "\n")
    return Bootstrap(
        control_plane=f"127.0.0.1:{control_plane.port}",
        root_cert=data_dir / "citadel/root-cert.pem",
        token_file=token_file,
        run_dir=data_dir / "run",
        access_log=str(data_dir / "access.log"),
        drain_duration_s=3.0,
    )


@pytest.fixture
def as_account(
    control_plane: ControlPlane, node: Node, bootstrap: Bootstrap
) -> Callable[[str], tuple[Node, Bootstrap]]:
    """The same workload under another service account, with its own token."""

    def make(account: str) -> tuple[Node, Bootstrap]:
        token_file = control_plane.data_dir / f"token-{account}"
        token_file.write_text(control_plane.tokens.issue(node.namespace, account))
        return replace(node, service_account=account), replace(bootstrap, token_file=token_file)

    return make
