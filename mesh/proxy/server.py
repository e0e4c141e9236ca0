"""The Python sidecar: its parts wired together, from start to drained end.

secrets ──certificate──▶ crew ──▶ each worker's TLS contexts
pilot ──ADS──▶ AdsClient ──resources──▶ crew ──▶ each worker's DynamicConfig ──▶ its listeners and clusters
exchanges ──entries──▶ each worker's sinks: log file, mixer, Istio's metrics
ProxyView ◀── admin, metrics and health ports
"""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack
from functools import partial

from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.proxy.agent import control_plane
from mesh.proxy.agent.secrets import SecretManager
from mesh.proxy.bootstrap import Bootstrap
from mesh.proxy.crew.crew import Crew
from mesh.proxy.data_plane import DataPlane
from mesh.proxy.heap import keep_freed_memory
from mesh.proxy.metrics_server import SidecarPorts
from mesh.proxy.view import ProxyView
from mesh.xds.client import AdsClient

log = logging.getLogger("mesh.proxy")


async def run(node: Node, bootstrap: Bootstrap) -> None:
    """Run until SIGTERM, SIGINT or /quitquitquit, then drain. Raises OSError when a port is taken."""
    keep_freed_memory()
    async with AsyncExitStack() as stack:
        await Server(node, bootstrap, stack).run()


class Server:
    """One sidecar; everything it starts is undone by ``stack``."""

    def __init__(self, node: Node, bootstrap: Bootstrap, stack: AsyncExitStack) -> None:
        self._node = node
        self._stack = stack
        self._stop = asyncio.Event()
        self._plane = DataPlane(node, bootstrap)
        self._crew = Crew(self._plane, node, bootstrap)
        self._view = ProxyView(self._crew, self._stop.set)
        self._secrets = SecretManager(node, bootstrap)
        self._ads = AdsClient(node, partial(control_plane.open_channel, bootstrap), self._apply)

    async def run(self) -> None:
        worker = self._plane.worker
        for number in (signal.SIGTERM, signal.SIGINT):
            worker.loop.add_signal_handler(number, self._stop.set)
            self._stack.callback(worker.loop.remove_signal_handler, number)
        self._stack.push_async_callback(self._plane.close)
        ports = SidecarPorts(self._view)
        await ports.start()
        self._stack.push_async_callback(ports.stop)
        starting = worker.spawn(self._start(), "start")
        self._stack.callback(starting.cancel)
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            starting.result()
            await stopped
        worker.draining = True  # not ready from now on
        await self._ads.leave()
        await self._crew.leave()

    async def _start(self) -> None:
        """Identity first, then configuration; the first may take as long as the control plane is away."""
        self._stack.callback(self._crew.stop)
        await self._crew.start()
        self._stack.push_async_callback(self._secrets.stop)
        self._secrets.subscribe(self._crew.identify)
        await self._secrets.start()
        self._stack.push_async_callback(self._ads.stop)
        self._ads.start()
        await self._ads.configured.wait()
        self._view.is_configured = True
        log.info("%s is configured", self._node.id)

    def _apply(self, resources: Resources) -> None:
        self._crew.apply(resources)
        self._view.note_update()
