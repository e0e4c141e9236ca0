"""The Python sidecar: its parts wired together, from start to drained end.

secrets ──certificate──▶ worker.contexts
pilot ──ADS──▶ AdsClient ──resources──▶ DynamicConfig ──▶ listeners ⇄ clients and endpoints
exchanges ──entries──▶ sinks: log file, mixer, Istio's metrics
ProxyView ◀── admin, metrics and health ports
"""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import time
from contextlib import AsyncExitStack
from functools import partial

from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.proxy.agent import control_plane
from mesh.proxy.agent.secrets import SecretManager
from mesh.proxy.bootstrap import Bootstrap
from mesh.proxy.config import DynamicConfig
from mesh.proxy.drain import drain, start_draining, stop_listening
from mesh.proxy.istio_stats import IstioStats
from mesh.proxy.metrics_server import SidecarPorts
from mesh.proxy.overload import REFRESH_S
from mesh.proxy.sinks import Sinks
from mesh.proxy.view import ProxyView
from mesh.proxy.worker import Worker
from mesh.xds.client import AdsClient
from mesh.xds.codec.peer import decode_peer, peer_header

# Idle connections are looked for this often; timeouts of connections are minutes and hours.
SWEEP_S = 5.0

# Requests leave no cycles behind, only connections do: the collector need not look after every 700 objects.
GC_THRESHOLD = 20_000

log = logging.getLogger("mesh.proxy")


async def run(node: Node, bootstrap: Bootstrap) -> None:
    """Run until SIGTERM, SIGINT or /quitquitquit, then drain. Raises OSError when a port is taken."""
    async with AsyncExitStack() as stack:
        await Server(node, bootstrap, stack).run()


class Server:
    """One sidecar; everything it starts is undone by ``stack``."""

    def __init__(self, node: Node, bootstrap: Bootstrap, stack: AsyncExitStack) -> None:
        self._bootstrap = bootstrap
        self._stack = stack
        self._stop = asyncio.Event()
        open_channel = partial(control_plane.open_channel, bootstrap)
        self.worker = Worker(
            node,
            asyncio.get_running_loop(),
            peer_metadata=peer_header(node).encode(),
            decode_peer=lambda header: decode_peer(header.decode("latin-1")),
            overload=bootstrap.overload,
        )
        counters = IstioStats(node)
        self._sinks = Sinks(node, self.worker, counters, bootstrap.access_log, open_channel)
        self.config = DynamicConfig(self.worker, self._sinks.make)
        self.view = ProxyView(self.worker, self.config, counters, self._drain, self._stop.set)
        self._secrets = SecretManager(node, bootstrap)
        self._ads = AdsClient(node, open_channel, self._apply)
        self._look_due_s = self.worker.loop.time()

    async def run(self) -> None:
        loop = self.worker.loop
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
            self._stack.callback(loop.remove_signal_handler, number)
        self._stack.push_async_callback(self._sinks.close)
        ports = SidecarPorts(self.view)
        await ports.start()
        self._stack.push_async_callback(ports.stop)
        starting = self.worker.spawn(self._start(), "start")
        self._stack.callback(starting.cancel)
        stopped = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            starting.result()
            await stopped
        await self._leave()

    async def _start(self) -> None:
        """Identity first, then configuration; the first may take as long as the control plane is away."""
        self._stack.push_async_callback(self._secrets.stop)
        self._secrets.subscribe(self.worker.contexts.update)
        await self._secrets.start()
        self._stack.push_async_callback(self._ads.stop)
        self._ads.start()
        await self._ads.configured.wait()
        self.view.is_configured = True
        log.info("%s is configured", self.worker.node.id)
        # What lives now lives for good: later collections need not look at it (xds-notes: 130 -> 80 ms)
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD)
        self._sweep()
        self._look_due_s = self.worker.loop.time()
        self._look()

    def _look(self) -> None:
        """Every so often, if the event loop comes to it in time: how late it is, is what it is asked."""
        now = self.worker.loop.time()
        self.worker.overload.look(now - self._look_due_s)
        self._look_due_s = now + REFRESH_S
        self.worker.loop.call_at(self._look_due_s, self._look)

    def _apply(self, resources: Resources) -> None:
        self.config.apply(resources)
        self.view.note_update()

    def _sweep(self) -> None:
        now = time.monotonic()
        for listener in self.config.listeners.values():
            listener.close_idle(now)
        for cluster in self.worker.clusters.values():
            cluster.close_idle(now)
        self.worker.timers.after(SWEEP_S, self._sweep)

    def _drain(self, graceful: bool) -> None:
        if graceful:
            start_draining(self.config)
        else:
            stop_listening(self.config)

    async def _leave(self) -> None:
        log.info("draining for at most %.1f s", self._bootstrap.drain_duration_s)
        self.worker.draining = True  # not ready from now on
        await self._ads.leave()
        await drain(self.config, self._bootstrap.drain_duration_s)
