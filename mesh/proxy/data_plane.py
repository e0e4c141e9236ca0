"""A worker with its configuration and its counters: the data plane of one process.

Nothing of it asks the control plane for anything: who owns it says what to apply.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from functools import partial

from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.model.tls import Secrets
from mesh.proxy.admin_view import ClusterView, EndpointView
from mesh.proxy.agent import control_plane
from mesh.proxy.bootstrap import Bootstrap
from mesh.proxy.config import DynamicConfig
from mesh.proxy.crew.messages import Ejected
from mesh.proxy.crew.tally import Tally
from mesh.proxy.drain import drain, start_draining, stop_listening
from mesh.proxy.host import Host
from mesh.proxy.istio_stats import IstioStats
from mesh.proxy.overload import REFRESH_S
from mesh.proxy.sinks import Sinks
from mesh.proxy.timers import SWEEP_S
from mesh.proxy.worker import Worker
from mesh.xds.codec.peer import decode_peer, peer_header

# Requests leave no cycles behind, only connections do: the collector need not look after every 700 objects.
GC_THRESHOLD = 20_000

log = logging.getLogger("mesh.proxy")


class DataPlane:
    """Made on the running loop. ``close`` writes and sends what the sinks still hold."""

    def __init__(self, node: Node, bootstrap: Bootstrap) -> None:
        self.worker = Worker(
            node,
            asyncio.get_running_loop(),
            peer_metadata=peer_header(node).encode(),
            decode_peer=lambda header: decode_peer(header.decode("latin-1")),
            overload=bootstrap.overload,
            workers=bootstrap.concurrency,
        )
        self._istio_stats = IstioStats(node)
        open_channel = partial(control_plane.open_channel, bootstrap)
        self._sinks = Sinks(node, self.worker, self._istio_stats, bootstrap.access_log, open_channel)
        self.config = DynamicConfig(self.worker, self._sinks.make, self._sinks.make_for_connections)
        self._drain_duration_s = bootstrap.drain_duration_s
        self._look_due_s = 0.0
        self._keeping = False
        self._has_changed = False  # since what was left by a change was collected

    def identify(self, secrets: Secrets) -> None:
        """Raises ssl.SSLError when they are none."""
        self.worker.contexts.update(secrets)

    def apply(self, resources: Resources) -> None:
        """Raises Rejected; then nothing has changed."""
        self.config.apply(resources)
        self._has_changed = self._keeping
        if not self._keeping:
            self._keeping = True
            self._keep()

    def _keep(self) -> None:
        """What is done every so often, from the first configuration on."""
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

    def _sweep(self) -> None:
        now = time.monotonic()
        for listener in self.config.listeners.values():
            listener.close_idle(now)
        for cluster in self.worker.clusters.values():
            cluster.close_idle(now)
        if self._has_changed:
            # The old clusters and routes are cycles, and requests leave so little that nothing else would
            # bring the collector to them
            self._has_changed = False
            gc.collect()
        self.worker.timers.after(SWEEP_S, self._sweep)

    def tally(self) -> Tally:
        """The living numbers; take a ``snapshot`` to keep them."""
        clusters = [
            ClusterView(name, [endpoint_view(host) for host in cluster.hosts.values()])
            for name, cluster in sorted(self.worker.clusters.items())
        ]
        return Tally(self.worker.stats, self._istio_stats, clusters)

    def eject(self, ejected: Ejected) -> None:
        """What another worker has found out."""
        cluster = self.worker.clusters.get(ejected.cluster)
        if cluster is not None:
            cluster.eject(ejected.host, ejected.for_s)

    def ejections(self) -> list[Ejected]:
        """The outliers that are out, for a worker that comes later."""
        clusters = self.worker.clusters.items()
        return [Ejected(name, *found) for name, cluster in clusters for found in cluster.ejections()]

    def reset(self) -> None:
        """Envoy's /reset_counters."""
        for counter in self.worker.stats.counters.values():
            counter.value = 0
        self._istio_stats.reset()

    def drain(self, graceful: bool) -> None:
        """Envoy's /drain_listeners."""
        if graceful:
            start_draining(self.config)
        else:
            stop_listening(self.config)

    async def leave(self) -> None:
        """Returns when the process may end."""
        log.info("draining for at most %.1f s", self._drain_duration_s)
        await drain(self.config, self._drain_duration_s)

    async def close(self) -> None:
        await self._sinks.close()


def endpoint_view(host: Host) -> EndpointView:
    return EndpointView(
        address=host.address[0],
        port=host.address[1],
        health=host.endpoint.health,
        is_ejected=host.is_ejected,
        active=host.session.health if host.session is not None else None,
        leaves=host.leaves,
        weight=max(host.endpoint.weight, 1),
        locality=host.locality,
        priority=host.priority,
        cx_active=len(host.pool.all),
        cx_connect_fail=host.connect_fail,
        cx_total=host.connections,
        rq_active=host.active,
        rq_error=host.errors,
        rq_success=host.successes,
        rq_timeout=host.timeouts,
        rq_total=host.active + host.successes + host.errors,
    )
