"""The running proxy as the admin interface sees it (``AdminView``): snapshots, taken when asked for."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

from mesh.model.node import Node
from mesh.model.tls import Secrets
from mesh.proxy.admin_view import ClusterView, ConfigView, EndpointView, ListenerView, ResourceType, State
from mesh.proxy.cluster import Host
from mesh.proxy.config import DynamicConfig
from mesh.proxy.istio_stats import IstioStats
from mesh.proxy.stats import Stats
from mesh.proxy.worker import Worker

_TYPES: tuple[tuple[ResourceType, str], ...] = (
    ("CDS", "clusters"),
    ("EDS", "endpoints"),
    ("LDS", "listeners"),
    ("RDS", "routes"),
)


class ProxyView:
    """``on_drain(graceful)`` and ``on_quit()`` are what the server does when admin asks for it."""

    def __init__(
        self,
        worker: Worker,
        config: DynamicConfig,
        istio_stats: IstioStats,
        on_drain: Callable[[bool], None],
        on_quit: Callable[[], None],
    ) -> None:
        self._worker = worker
        self._config = config
        self._istio_stats = istio_stats
        self._on_drain = on_drain
        self._on_quit = on_quit
        self._versions: dict[ResourceType, str] = {}
        self._updated_at: dict[ResourceType, float] = {}
        self.is_configured = False
        self.healthy = True
        self.started_at = time.time()
        self.concurrency = 1

    def note_update(self) -> None:
        """A configuration was taken: remember what changed, and when. A version is a hash of the content."""
        for kind, field in _TYPES:
            content = repr(getattr(self._config.resources, field)).encode()
            version = hashlib.sha256(content).hexdigest()[:16]
            if self._versions.get(kind) != version:
                self._versions[kind] = version
                self._updated_at[kind] = time.time()

    @property
    def node(self) -> Node:
        return self._worker.node

    @property
    def state(self) -> State:
        if self._worker.draining:
            return "DRAINING"
        return "LIVE" if self.is_configured else "PRE_INITIALIZING"

    @property
    def stats(self) -> Stats:
        return self._worker.stats

    @property
    def istio_stats(self) -> IstioStats:
        return self._istio_stats

    def config(self) -> ConfigView:
        return ConfigView(self._config.resources, dict(self._versions), dict(self._updated_at))

    def clusters(self) -> Sequence[ClusterView]:
        return [
            ClusterView(name, [_endpoint(host) for host in cluster.hosts.values()])
            for name, cluster in sorted(self._worker.clusters.items())
        ]

    def listeners(self) -> Sequence[ListenerView]:
        return [
            ListenerView(name, *listener.bound_address)
            for name, listener in sorted(self._config.listeners.items())
            if listener.bound_address is not None
        ]

    def secrets(self) -> Secrets | None:
        return self._worker.contexts.secrets

    def drain(self, *, graceful: bool) -> None:
        self._on_drain(graceful)

    def quit(self) -> None:
        self._on_quit()

    def set_healthy(self, healthy: bool) -> None:
        self.healthy = healthy


def _endpoint(host: Host) -> EndpointView:
    return EndpointView(
        address=host.address[0],
        port=host.address[1],
        health=host.endpoint.health,
        is_ejected=host.is_ejected,
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
