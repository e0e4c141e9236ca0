"""Leaving without losing a request.

not ready -> leave pilot's registry -> answer with "connection: close", close what is idle
-> nobody is connected, or the time is up -> stop accepting -> end

New connections are still taken meanwhile: callers learn only from pilot that we leave.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable

from mesh.proxy.config import DynamicConfig
from mesh.proxy.listener import RuntimeListener

# Pilot's debounce (0.1 s) and a push: who has not heard of it may still connect.
MIN_DRAIN_S = 1.0
POLL_S = 0.05

log = logging.getLogger("mesh.proxy.drain")


async def drain(config: DynamicConfig, duration_s: float) -> None:
    """Returns when the process may end: nobody is connected, or ``duration_s`` has passed."""
    began = time.monotonic()
    start_draining(config)
    listeners = config.listeners.values()
    while (passed := time.monotonic() - began) < duration_s:
        if passed >= min(MIN_DRAIN_S, duration_s) and not count_connections(listeners):
            break
        await asyncio.sleep(min(POLL_S, duration_s - passed))
    left = count_connections(listeners)
    if left:
        log.info("%d connections are left after draining for %.1f s", left, time.monotonic() - began)
    for listener in listeners:
        listener.stop()


def start_draining(config: DynamicConfig) -> None:
    """Ask every client to leave: with its next response, or now where none is due."""
    config.worker.draining = True
    for listener in config.listeners.values():
        listener.ask_to_leave()


def stop_listening(config: DynamicConfig) -> None:
    """Admin's drain without grace: accept nothing more; what is connected stays."""
    config.worker.draining = True
    for listener in config.listeners.values():
        listener.stop()


def count_connections(listeners: Iterable[RuntimeListener]) -> int:
    return sum(listener.count_connections() for listener in listeners)
