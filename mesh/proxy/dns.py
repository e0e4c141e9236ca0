"""Endpoints given by name: looked up again and again.

STRICT_DNS   every address of a name is an endpoint
LOGICAL_DNS  the first address is where the one endpoint is, for now

A lookup that fails changes nothing: the addresses found before stay in use. They are also kept in
``worker.resolved``, so that a cluster whose settings change goes on at once with what is known.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from mesh.model.endpoint import ClusterLoadAssignment, Endpoint
from mesh.model.names import is_ip

if TYPE_CHECKING:
    from mesh.proxy.worker import Worker

REFRESH_S = 5.0  # Envoy's dns_refresh_rate
LOOKUP_TIMEOUT_S = 5.0  # c-ares' timeout of one try, Envoy's resolver


class Dns:
    """``take`` gets the assignment with addresses in the place of names, now and when they change."""

    def __init__(
        self,
        assignment: ClusterLoadAssignment,
        worker: Worker,
        take: Callable[[ClusterLoadAssignment], None],
        *,
        first_only: bool = False,
    ) -> None:
        self._assignment = assignment
        self._worker = worker
        self._take = take
        self._first_only = first_only
        endpoints = (one for group in assignment.localities for one in group.endpoints)
        self._names = sorted({one.address for one in endpoints if not is_ip(one.address)})
        self._taken = self._resolved()
        take(self._taken)
        prefix = f"cluster.{assignment.cluster_name}.update_"
        self._attempts = worker.stats.counter(prefix + "attempt")
        self._failures = worker.stats.counter(prefix + "failure")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._names:
            self._task = self._worker.spawn(self._refresh(), f"DNS {self._assignment.cluster_name}")

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _refresh(self) -> None:
        while True:
            self._attempts.value += 1
            found = await asyncio.gather(*map(self._look_up, self._names))
            for name, addresses in zip(self._names, found, strict=True):
                if addresses:
                    self._worker.resolved[name] = addresses
            now = self._resolved()
            if now != self._taken:
                self._taken = now
                self._take(now)
            await asyncio.sleep(REFRESH_S)

    async def _look_up(self, name: str) -> tuple[str, ...]:
        """Its IPv4 addresses as they came; none when it could not be resolved."""
        try:
            async with asyncio.timeout(LOOKUP_TIMEOUT_S):
                answers = await self._worker.loop.getaddrinfo(
                    name, None, family=socket.AF_INET, type=socket.SOCK_STREAM
                )
        except (OSError, UnicodeError):  # TimeoutError is an OSError; UnicodeError: no name IDNA can write
            self._failures.value += 1
            return ()
        return tuple(dict.fromkeys(str(answer[4][0]) for answer in answers))

    def _resolved(self) -> ClusterLoadAssignment:
        groups = tuple(
            replace(
                group,
                endpoints=tuple(
                    replace(endpoint, address=address)
                    for endpoint in group.endpoints
                    for address in self._addresses(endpoint)
                ),
            )
            for group in self._assignment.localities
        )
        return replace(self._assignment, localities=groups)

    def _addresses(self, endpoint: Endpoint) -> tuple[str, ...]:
        name = endpoint.address
        known = (name,) if is_ip(name) else self._worker.resolved.get(name, ())
        return known[:1] if self._first_only else tuple(sorted(known))
