"""When to push: every change of configuration or registry is gathered (debounce), then each connected proxy
gets what the new world means for it.

    change -> [debounce] -> world -> persist registry -> translate and push, proxy by proxy

The registry is saved *before* the push: an endpoint that was ever served is known after a restart.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from weakref import WeakKeyDictionary

from mesh.model.resources import Resources
from mesh.pilot.debounce import Debounce, Pending, changed, due_at
from mesh.pilot.metrics import PilotMetrics
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.translate.consistent import inconsistencies
from mesh.pilot.world import World
from mesh.xds.errors import Rejected
from mesh.xds.source import Connection

log = logging.getLogger(__name__)


class Pusher:
    """Owns the generation: it grows with every change, and is what proxies ACK."""

    def __init__(
        self,
        connections: Mapping[str, Connection],
        make_world: Callable[[], World],
        on_pushed: Callable[[], None],
        metrics: PilotMetrics,
        debounce: Debounce,
        generation: int,
    ) -> None:
        self.generation = generation
        self.pushed_generation = generation
        self._connections = connections
        self._make_world = make_world
        self._on_pushed = on_pushed
        self._metrics = metrics
        self._debounce = debounce
        self._pending: Pending | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._world: World | None = None
        self._started: dict[int, float] = {}  # when the oldest change of each pushed generation was made
        self.faults: WeakKeyDictionary[Connection, str] = WeakKeyDictionary()  # who could not be served, why
        self._served: WeakKeyDictionary[Connection, int] = WeakKeyDictionary()

    @property
    def world(self) -> World:
        """The world of the newest push, or the present one before the first."""
        if self._world is None:
            self._world = self._make_world()
        return self._world

    def change(self, trigger: str, at_least: int = 0) -> None:
        """Something changed: push soon, as a new generation."""
        self.generation = max(self.generation + 1, at_least)
        self._metrics.triggers.add(trigger)
        loop = asyncio.get_running_loop()
        self._pending = changed(self._pending, loop.time())
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(due_at(self._pending, self._debounce), self.flush)

    def welcome(self, connection: Connection) -> None:
        """Serve a proxy that just connected; when a push is due anyway it comes with that."""
        if self._pending is None:
            self._push(connection)

    def flush(self) -> None:
        """Push what is pending, now."""
        started = time.perf_counter()
        if self._pending is not None:
            self._started = {**dict(list(self._started.items())[-7:]), self.generation: self._pending.first}
        self.stop()
        self._world = self._make_world()
        self.pushed_generation = self.generation
        for connection in list(self._connections.values()):
            self._push(connection)
        self._metrics.push_time.labels("all").observe(time.perf_counter() - started)
        self._on_pushed()

    def note_ack(self, connection: Connection) -> None:
        """Measure how long the newest generation took to this proxy, once."""
        generation = connection.acked_generation
        if generation is None or self._served.get(connection) == generation:
            return
        self._served[connection] = generation
        if generation in self._started:
            now = asyncio.get_running_loop().time()
            self._metrics.convergence.observe(now - self._started[generation])

    def stop(self) -> None:
        """Forget what is pending."""
        self._pending = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def resources_for(self, connection: Connection) -> Resources:
        """What the proxy is to have in the world of the newest push."""
        return assemble(self.world, connection.node)

    def _push(self, connection: Connection) -> None:
        """A fault in translating for one proxy must not keep the others from their configuration."""
        self.faults.pop(connection, None)
        try:
            resources = self.resources_for(connection)
            if faults := inconsistencies(resources):
                raise Rejected("; ".join(faults))
            connection.push(resources, self.pushed_generation)
        except Exception as fault:
            log.exception("%s: not pushed", connection.node.id)
            self.faults[connection] = str(fault)
            self._metrics.internal_errors.add()
