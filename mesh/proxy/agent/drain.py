"""Leaving without losing a request: what happens between SIGTERM and Envoy's end.

not ready -> leave pilot's registry -> Envoy answers with "connection: close" -> nobody is connected,
or the time is up -> Envoy ends
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from mesh.model.names import ADMIN_PORT, ENVOY_METRICS_PORT
from mesh.proxy.agent.envoy_admin import AdminError, EnvoyAdmin
from mesh.proxy.agent.envoy_stats import ACTIVE_FILTER, active_connections

log = logging.getLogger(__name__)

# Callers learn from pilot that we leave (debounce 0.1 s and a push); who has not heard may still connect.
MIN_DRAIN_S = 1.0
# Nobody is connected for this long: time for the last requests' access logs, which Envoy sends every 0.5 s.
IDLE_S = 0.6
POLL_S = 0.1


async def drain(admin: EnvoyAdmin, leave: Callable[[], Awaitable[None]], duration_s: float) -> None:
    """Returns when Envoy may end: nobody is connected, ``duration_s`` has passed, or Envoy is gone."""
    began = time.monotonic()
    await leave()
    try:
        await admin.post("/healthcheck/fail")
        await admin.post("/drain_listeners?graceful&skip_exit")
        busy_until = began
        while (now := time.monotonic()) - began < duration_s:
            if await _connected(admin):
                busy_until = now
            elif now - began >= MIN_DRAIN_S and now - busy_until >= IDLE_S:
                return
            await asyncio.sleep(min(POLL_S, began + duration_s - now))
        log.info("%d connections are left after draining for %.1f s", await _connected(admin), duration_s)
    except AdminError as gone:
        log.warning("the drain ends early: %s", gone)


async def _connected(admin: EnvoyAdmin) -> int:
    return active_connections(await admin.stats(ACTIVE_FILTER), (ADMIN_PORT, ENVOY_METRICS_PORT))
