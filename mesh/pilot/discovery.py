"""Pilot itself: what galley says and who is connected, made into what each proxy must do.

    galley --configure--> |       | --push--> proxies
    proxies --on_...----> | Pilot | --wait_acked / proxy_status--> the HTTP API

It is the ``Source`` behind the ADS server. Everything runs on the event loop's thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from mesh.galley.snapshot import ConfigSnapshot
from mesh.model.identity import SpiffeId
from mesh.model.protocol import DETECTION_TIMEOUT_S
from mesh.model.resources import Resources
from mesh.pilot.debounce import Debounce
from mesh.pilot.declared import declared_services
from mesh.pilot.entries import with_entries
from mesh.pilot.metrics import PilotMetrics
from mesh.pilot.push import Pusher
from mesh.pilot.registry import Registry, proxy_name
from mesh.pilot.registry_store import Saved, load, save
from mesh.pilot.services import ClaimedService, claimed_services, services
from mesh.pilot.status import Progress, Waiting, progress
from mesh.pilot.world import World
from mesh.xds.source import Connection

log = logging.getLogger(__name__)


class Pilot:
    """``identity`` answers who is calling, inside a gRPC call: the SPIFFE id its token proved, or None."""

    def __init__(
        self,
        config: ConfigSnapshot,
        registry_file: Path,
        metrics: PilotMetrics,
        *,
        identity: Callable[[], SpiffeId | None],
        registry: Registry | None = None,
        debounce: Debounce | None = None,
        registry_only: bool = False,
        protocol_detection_timeout_s: float = DETECTION_TIMEOUT_S,
    ) -> None:
        self._config = config
        self._file = registry_file
        self._metrics = metrics
        self._identity = identity
        self._registry_only = registry_only
        self._protocol_detection_timeout_s = protocol_detection_timeout_s
        self._registry = registry or Registry()
        self._claimed: tuple[ClaimedService, ...] = ()
        self._connections: dict[str, Connection] = {}
        self._leases: dict[Connection, int] = {}
        self._waiting = Waiting()
        self._expiry: asyncio.TimerHandle | None = None
        self._closed = False
        self._saved = Saved()
        self._pusher = Pusher(
            self._connections,
            self._make_world,
            self._waiting.wake,
            metrics,
            debounce or Debounce(),
            config.generation,
        )

    def start(self) -> None:
        """Take up the endpoints known before the last stop."""
        saved = load(self._file)
        self._claimed = saved.services
        self._pusher.generation = max(self._pusher.generation, saved.generation)
        self._registry.restore(saved.nodes, self._now())
        self._registry_changed(since=-1)

    def close(self) -> None:
        """Stop pushing and keep the registry as it is: the streams that end now end for our sake."""
        self._closed = True
        self._pusher.stop()
        if self._expiry is not None:
            self._expiry.cancel()

    @property
    def generation(self) -> int:
        """The newest generation; it has every change made so far."""
        return self._pusher.generation

    def configure(self, config: ConfigSnapshot) -> None:
        """Take a new configuration; the generation, never below galley's own, then has it."""
        self._config = config
        self._pusher.change("config", config.generation)

    async def wait_acked(self, generation: int, timeout_s: float) -> Progress:
        """Wait until every proxy in the mesh serves the generation or refused it, at most ``timeout_s``."""

        def look() -> Progress | None:
            return self.progress(generation) if self._pusher.pushed_generation >= generation else None

        found = await self._waiting.until_settled(look, timeout_s)
        return found if found is not None else Progress(pending=tuple(sorted(self._members())))

    def progress(self, generation: int) -> Progress:
        """How far that generation is at this moment."""
        return progress(self._members(), generation, self._pusher.faults)

    # --- what is to be seen

    @property
    def connections(self) -> dict[str, Connection]:
        """The live stream of each connected proxy, by "<name>.<namespace>", sorted."""
        return dict(sorted(self._connections.items()))

    @property
    def world(self) -> World:
        return self._pusher.world

    def resources_of(self, proxy: str) -> Resources | None:
        """What a connected proxy is to have, None for an unknown one."""
        connection = self._connections.get(proxy)
        return None if connection is None else self._pusher.resources_for(connection)

    def observe(self) -> None:
        """Bring the metrics that are read off the present state up to date."""
        self._metrics.observe(self.world, self._connections.values())

    # --- Source: called by the ADS server

    def on_connect(self, connection: Connection) -> None:
        """Raises Refused."""
        revision = self._registry.revision
        self._leases[connection] = self._registry.join(connection.node, self._identity())
        self._connections[proxy_name(connection.node)] = connection
        self._registry_changed(revision)
        self._pusher.welcome(connection)

    def on_ack(self, connection: Connection, type_name: str) -> None:
        self._metrics.pushes.add(type_name.lower())
        self._pusher.note_ack(connection)
        self._waiting.wake()

    def on_nack(self, connection: Connection, type_name: str, message: str) -> None:
        log.warning("%s refused %s: %s", connection.node.id, type_name, message)
        self._metrics.rejects.add()
        self._waiting.wake()

    def on_disconnect(self, connection: Connection, clean: bool) -> None:
        lease = self._leases.pop(connection)
        name = proxy_name(connection.node)
        if self._connections.get(name) is connection:
            del self._connections[name]
        if self._closed:
            return
        revision = self._registry.revision
        self._registry.leave(connection.node, lease, clean, self._now())
        self._registry_changed(revision)
        self._waiting.wake()

    # --- inside

    def _members(self) -> dict[str, Connection | None]:
        return {name: self._connections.get(name) for name in map(proxy_name, self._registry.nodes())}

    def _make_world(self) -> World:
        """The world as it is now; what it serves is on disk before anybody is told."""
        nodes = self._registry.nodes()
        self._claimed = claimed_services(nodes, self._claimed)
        self._save(Saved(nodes, self._claimed, self._pusher.generation))
        known = services(nodes, self._claimed, declared_services(self._config.services))
        entries = self._config.service_entries
        return World(
            self._config,
            with_entries(known, entries, nodes),
            registry_only=self._registry_only,
            protocol_detection_timeout_s=self._protocol_detection_timeout_s,
        )

    def _save(self, registry: Saved) -> None:
        if registry == self._saved:
            return
        try:
            save(self._file, registry)
            self._saved = registry
        except OSError as fault:
            log.error("a restart will not know the present endpoints: %s", fault)

    def _registry_changed(self, since: int) -> None:
        """Follow the registry: push when its content is not what it was, wake up when a grace ends."""
        if self._registry.revision != since:
            self._pusher.change("endpoint")
        if self._expiry is not None:
            self._expiry.cancel()
            self._expiry = None
        expiry = self._registry.next_expiry()
        if expiry is not None:
            self._expiry = asyncio.get_running_loop().call_at(expiry, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        revision = self._registry.revision
        self._registry.expire(self._now())
        self._registry_changed(revision)
        self._waiting.wake()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
