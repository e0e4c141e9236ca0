"""The clients that everybody has, sent through our proxy and through the real Envoy to an origin that counts.

curl, h2load, ab ... -> listener (HTTP/1.0, HTTP/1.1, h2c) -> origin
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop
from aiohttp import web

sys.path.insert(
    0, str(Path(__file__).parent.parent / "conformance")
)  # the two proxies as its harness starts them

from differ.envoy import start_envoy
from differ.origin import HOST
from differ.ours import start_ours
from differ.pair import NODE
from differ.resources import Area, Ports, any_host, cluster, prefix, resources, to

from labs.harness.free_port import free_port
from mesh.model.route import Route
from mesh.proxy.agent.envoy_binary import NoEnvoyError, find_envoy

FILE = bytes(range(256)) * 40
WEBSOCKETS = "outbound|9090||websockets.default.svc.cluster.local"
AREA = Area(
    "clients",
    any_host(Route(prefix("/ws"), to(WEBSOCKETS)), Route(prefix("/"), to())),
    clusters=lambda ports: (cluster(WEBSOCKETS, ports.more[0]),),
    ports=1,
    manager={"upgrades": ("websocket",)},
)
CLIENT_S = 60.0


@dataclass
class CountingOrigin:
    """``/file`` has ranges; everything else is answered with what was sent. ``served`` are the requests, but
    for those under ``/cut``: their client leaves with some under way, that may come when another has begun.
    """

    port: int = 0
    served: list[tuple[str, str]] = field(default_factory=list)
    cut: int = 0

    async def echo(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.path == "/cut":
            self.cut += 1
        else:
            self.served.append((request.method, request.path))
        return web.Response(body=body or b"nothing")

    async def file(self, request: web.Request) -> web.StreamResponse:
        self.served.append((request.method, request.path))
        return web.FileResponse(self.path)

    async def start(self, directory: Path) -> web.AppRunner:
        self.path = directory / "file.bin"
        self.path.write_bytes(FILE)
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/file", self.file)
        app.router.add_route("*", "/{rest:.*}", self.echo)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, HOST, 0)
        await site.start()
        self.port = runner.addresses[0][1]
        return runner


@dataclass
class Done:
    """What a client that ran to its end said; ``code`` is its exit status."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "replace") + self.err


@dataclass
class Through:
    """A proxy, the origin behind it, and clients to send."""

    engine: str
    port: int
    origin: CountingOrigin
    websockets_port: int

    def url(self, path: str = "/") -> str:
        return f"http://{HOST}:{self.port}{path}"

    async def run(self, program: str, *args: str, stdin: bytes | None = None) -> Done:
        """Skips, by its name, for a program that is not installed. The origin's count begins anew."""
        path = shutil.which(program)
        if path is None:
            pytest.skip(f"{program} is not installed")
        self.origin.served.clear()
        # in a thread: the loop's own way forks, which gRPC's threads do not survive well
        options = {"input": stdin or b"", "capture_output": True, "timeout": CLIENT_S, "check": False}
        done = await asyncio.to_thread(subprocess.run, [path, *args], **options)
        return Done(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))


def pytest_asyncio_loop_factories(config: object, item: object) -> dict[str, Callable[[], object]]:
    """The loop that production runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["python", "envoy"])
async def through(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Through]:
    directory = tmp_path_factory.mktemp("clients")
    async with AsyncExitStack() as stack:
        origin = CountingOrigin()
        runner = await origin.start(directory)
        stack.push_async_callback(runner.cleanup)
        ports = Ports(free_port(), origin.port, free_port(), (free_port(),))
        made = resources(AREA, ports)
        if request.param == "python":
            await stack.enter_async_context(start_ours(NODE, made, origin, ports.listener))
        else:
            try:
                find_envoy()
            except NoEnvoyError as missing:
                pytest.skip(str(missing))
            await stack.enter_async_context(
                start_envoy(NODE, made, origin, ports.listener, directory, lingers_s=0.05)
            )
        yield Through(request.param, ports.listener, origin, ports.more[0])
