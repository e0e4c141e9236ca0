"""Asking an endpoint, over a connection that is kept from check to check.

    begin() -> asked(outcome, excluded)       once, unless it is closed before
    close()                                   time is up, or the endpoint gone: the connection goes with it

What differs between HTTP/1.1, HTTP/2 and bytes is how a connection is made and asked. Dialling is the only
task: an answer on a kept connection costs a write and a read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from mesh.model.health_check import HealthCheck
from mesh.proxy.dial import DialError, open_connection
from mesh.proxy.health_check.state import Outcome

if TYPE_CHECKING:
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.host import Host

# an outcome, and whether the endpoint asked to be left out
Asked = Callable[[Outcome, bool], None]


class Line(Protocol):
    """A connection to an endpoint, as checks use it; an ``asyncio.Protocol``, too."""

    @property
    def is_usable(self) -> bool:
        """Whether another check may be sent on it."""

    def ask(self, answered: Asked) -> None:
        """Send a check; ``answered`` is called once, also when the connection is lost."""

    def close(self) -> None: ...


class Probe:
    """Of one endpoint. ``make`` makes the protocol of a new connection."""

    __slots__ = ("_alpn", "_asked", "_cluster", "_dial", "_host", "_line", "_make", "_reuse")

    def __init__(
        self, cluster: RuntimeCluster, host: Host, make: Callable[[], Any], asked: Asked, rules: HealthCheck
    ) -> None:
        self._cluster = cluster
        self._host = host
        self._make = make
        self._asked = asked
        self._reuse = rules.reuse_connection
        self._alpn = rules.alpn or None
        self._line: Line | None = None
        self._dial: asyncio.Task[None] | None = None

    def begin(self) -> None:
        line = self._line
        if line is not None and line.is_usable:
            line.ask(partial(self._answered, line))
        else:
            self.close()
            self._dial = self._cluster.worker.spawn(self._connect(), f"health check of {self._host.text}")

    def close(self) -> None:
        dial, self._dial = self._dial, None
        line, self._line = self._line, None
        if dial is not None:
            dial.cancel()
        if line is not None:
            line.close()

    async def _connect(self) -> None:
        try:
            line: Line = await open_connection(self._cluster, self._host, lambda _: self._make(), self._alpn)
        except DialError:
            self._dial = None
            self._asked(Outcome.NETWORK, False)
            return
        self._dial = None
        self._line = line
        line.ask(partial(self._answered, line))

    def _answered(self, line: Line, outcome: Outcome, excluded: bool) -> None:
        """A line that was closed has nothing to say any more."""
        if line is not self._line:
            return
        if not self._reuse:
            self.close()
        self._asked(outcome, excluded)
