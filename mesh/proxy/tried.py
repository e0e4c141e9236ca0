"""What the earlier attempts of a request have tried, and what the next one therefore avoids. Pure.

Endpoints: Envoy's ``previous_hosts`` predicate, which asks the balancer again a few times. Levels: its
``previous_priorities``: after every so many attempts those tried so far take no part, until all were tried.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from mesh.model.route import RetryPolicy

if TYPE_CHECKING:
    from mesh.proxy.host import Host


class Tried:
    """``hosts`` are to be avoided; empty, where the policy does not say so."""

    __slots__ = ("_attempts", "_avoided", "_priorities", "hosts", "policy")

    def __init__(self, policy: RetryPolicy) -> None:
        self.policy = policy
        self.hosts: list[Host] = []
        self._attempts = 0  # since the levels were last all tried
        self._priorities: set[int] = set()
        self._avoided: frozenset[int] | None = None

    def add(self, host: Host) -> None:
        """An attempt was made at this endpoint."""
        if self.policy.avoid_previous_hosts:
            self.hosts.append(host)
        every = self.policy.previous_priorities
        if every:
            self._attempts += 1
            self._priorities.add(host.priority)
            if self._attempts % every == 0:
                self._avoided = frozenset(self._priorities)

    def levels(self) -> Collection[int] | None:
        """The levels that the next attempt avoids; None: it goes where any request would."""
        return self._avoided

    def forget_levels(self) -> None:
        """All that are healthy were tried: begin anew."""
        self._attempts = 0
        self._priorities = set()
        self._avoided = None
