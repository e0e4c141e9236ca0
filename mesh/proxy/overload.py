"""The overload manager: a sidecar that has too much in hand says so early, instead of sinking slowly.

    resource      pressure                          counted by
    heap          resident memory / the limit       the kernel
    loop lag      how late the event loop is        a timer of our own
    connections   clients connected / the limit     chains; and by descriptors, of which a quarter is kept

At ``STOP_REQUESTS`` new requests are answered 503 (flag OM), at ``REJECT_CONNECTIONS`` new connections are
closed; what is in hand goes on. Source: Envoy's "Overload manager"; loop lag is ours, Envoy has threads.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mesh.proxy.reply import Reply
from mesh.proxy.stats import Stats

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange

REFRESH_S = 0.5
STOP_REQUESTS = 0.95
REJECT_CONNECTIONS = 0.98
DESCRIPTORS_FOR_CLIENTS = 0.75  # the rest is for endpoints, the control plane, logs

OVERLOADED = Reply(503, b"envoy overloaded", "OM", "overload")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class OverloadLimits:
    """0 is no limit."""

    max_heap_bytes: int = 0
    max_downstream_connections: int = 0
    max_loop_lag_s: float = 5.0


DEFAULT_LIMITS = OverloadLimits()


class Overload:
    """What the hot path asks: two flags and a count. ``look`` sets the flags."""

    def __init__(
        self,
        limits: OverloadLimits,
        stats: Stats,
        heap_bytes: Callable[[], int] = lambda: resident_bytes(),
        descriptors: Callable[[], int] = lambda: max_descriptors(),
    ) -> None:
        self.sheds_requests = False
        self.rejects_connections = False
        self.connections = 0  # of clients, all listeners'
        self._limits = limits
        self._heap_bytes = heap_bytes
        self._max_descriptor = int(descriptors() * DESCRIPTORS_FOR_CLIENTS)
        self._heap = stats.gauge("overload.envoy.resource_monitors.fixed_heap.pressure")
        self._lag = stats.gauge("overload.mesh_labs.resource_monitors.loop_lag.pressure")
        self._shedding = stats.gauge("overload.envoy.overload_actions.stop_accepting_requests.active")
        self._rejecting = stats.gauge("overload.envoy.overload_actions.reject_incoming_connections.active")

    def look(self, lag_s: float) -> None:
        """Take the resources' pressures and act on the highest."""
        limits = self._limits
        heap = self._heap_bytes() / limits.max_heap_bytes if limits.max_heap_bytes else 0.0
        lag = lag_s / limits.max_loop_lag_s if limits.max_loop_lag_s else 0.0
        self._heap.value, self._lag.value = round(heap * 100), round(lag * 100)
        pressure = max(heap, lag)
        self.sheds_requests = pressure >= STOP_REQUESTS
        self.rejects_connections = pressure >= REJECT_CONNECTIONS
        self._shedding.value, self._rejecting.value = int(self.sheds_requests), int(self.rejects_connections)

    def admits(self, descriptor: int) -> bool:
        """Whether a connection may stay that was accepted with this descriptor: the lowest that was free."""
        limit = self._limits.max_downstream_connections
        full = bool(limit) and self.connections >= limit
        return not (full or self.rejects_connections or descriptor >= self._max_descriptor)


def overloaded(exchange: Exchange) -> Reply:
    """What a request is told that comes at the wrong time; its connection is closed as well."""
    exchange.manager.stats.rq_overload_close.value += 1
    exchange.keep_alive = False
    return OVERLOADED


def resident_bytes() -> int:
    """Of this process, as the kernel counts them."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


def max_descriptors() -> int:
    """How many this process may open; asks for as many as it can get."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 30
