"""The running proxy as the admin interface sees it (``AdminView``): snapshots, taken when asked for."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence

from mesh.model.node import Node
from mesh.model.tls import Secrets
from mesh.proxy.admin_view import ConfigView, ListenerView, ResourceType, State
from mesh.proxy.crew.crew import Crew
from mesh.proxy.crew.tally import Tally

_TYPES: tuple[tuple[ResourceType, str], ...] = (
    ("CDS", "clusters"),
    ("EDS", "endpoints"),
    ("LDS", "listeners"),
    ("RDS", "routes"),
)


class ProxyView:
    """``on_quit()`` is what the server does when admin asks for the end."""

    def __init__(self, crew: Crew, on_quit: Callable[[], None]) -> None:
        self._crew = crew
        self._worker = crew.plane.worker
        self._config = crew.plane.config
        self._on_quit = on_quit
        self._versions: dict[ResourceType, str] = {}
        self._updated_at: dict[ResourceType, float] = {}
        self.is_configured = False
        self.healthy = True
        self.started_at = time.time()
        self.concurrency = crew.size

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
    def pids(self) -> Sequence[int]:
        return self._crew.pids

    def tally(self) -> Tally:
        return self._crew.tally()

    def config(self) -> ConfigView:
        return ConfigView(self._config.resources, dict(self._versions), dict(self._updated_at))

    def listeners(self) -> Sequence[ListenerView]:
        return [
            ListenerView(name, *listener.bound_address)
            for name, listener in sorted(self._config.listeners.items())
            if listener.bound_address is not None
        ]

    def secrets(self) -> Secrets | None:
        return self._worker.contexts.secrets

    def reset(self) -> None:
        self._crew.reset()

    def drain(self, *, graceful: bool) -> None:
        self._crew.drain(graceful)

    def set_level(self, logger: str, level: int) -> None:
        self._crew.set_level(logger, level)

    def quit(self) -> None:
        self._on_quit()

    def set_healthy(self, healthy: bool) -> None:
        self.healthy = healthy
