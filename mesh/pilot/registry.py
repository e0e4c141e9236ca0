"""Who is in the mesh: every workload whose sidecar is connected, or was a moment ago.

    join      the sidecar's stream opened: the workload is served from now on
    leave     the stream ended: at once when the sidecar ended it on purpose (it drained), after a grace
              when it broke, so that a blip of the network does not empty the mesh
    restore   the control plane started again: it serves those it knew before; who does not come back
              within the restart grace is dropped

Conflicts, each decided in favour of what can be true now:

* one name, two streams of one account: the newer stream owns the name (a restart overtakes its own end);
* one name, two accounts: the live one keeps it, the other is refused;
* one address and port, two names: the last to claim it has it, the earlier entry goes (an address was
  given to a new pod before the death of the old one was noticed).

Time is an argument: seconds of any steady clock.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from mesh.model.identity import SpiffeId
from mesh.model.node import Node
from mesh.pilot.admission import check_node
from mesh.xds.errors import Refused

LEAVE_GRACE_S = 2.0  # covers a proxy's reconnect: its backoff is 0.1-1 s
RESTART_GRACE_S = 30.0  # covers a machine where every process starts at once


@dataclass(slots=True)
class _Entry:
    """A member; exactly one of ``lease`` (its live stream) and ``gone_at`` (when it is dropped) is set."""

    node: Node
    lease: int | None
    gone_at: float | None = None


class Registry:
    """The members by "<name>.<namespace>". ``revision`` grows whenever what ``nodes()`` answers changes."""

    def __init__(
        self, leave_grace_s: float = LEAVE_GRACE_S, restart_grace_s: float = RESTART_GRACE_S
    ) -> None:
        self.revision = 0
        self._leave_grace_s = leave_grace_s
        self._restart_grace_s = restart_grace_s
        self._entries: dict[str, _Entry] = {}
        self._leases = itertools.count(1)

    def nodes(self) -> tuple[Node, ...]:
        """Every member, sorted by name, connected or in its grace."""
        return tuple(self._entries[name].node for name in sorted(self._entries))

    def is_connected(self, name: str) -> bool:
        """Whether the member of that "<name>.<namespace>" has a live stream."""
        entry = self._entries.get(name)
        return entry is not None and entry.lease is not None

    def join(self, node: Node, identity: SpiffeId | None) -> int:
        """Take a workload in; the answer is its lease, to be handed back to ``leave``.

        ``identity`` is what its token proved, None where nothing was asked. Raises Refused.
        """
        check_node(node, identity)
        name = proxy_name(node)
        known = self._entries.get(name)
        if known is not None and known.lease is not None and known.node.spiffe_id != node.spiffe_id:
            raise Refused(f"node {name} is connected as {known.node.spiffe_id} already")
        self._give_up_addresses(node)
        lease = next(self._leases)
        self._entries[name] = _Entry(node, lease)
        if known is None or known.node != node:
            self.revision += 1
        return lease

    def leave(self, node: Node, lease: int, clean: bool, now: float) -> None:
        """A stream ended. A lease that is no longer the member's own changes nothing."""
        name = proxy_name(node)
        entry = self._entries.get(name)
        if entry is None or entry.lease != lease:
            return
        if clean:
            self._drop(name)
        else:
            entry.lease, entry.gone_at = None, now + self._leave_grace_s

    def restore(self, nodes: Iterable[Node], now: float) -> None:
        """Serve these until they reconnect or the restart grace is over. Members there already stay."""
        for node in nodes:
            if (
                self._entries.setdefault(proxy_name(node), _Entry(node, None, self._restart_ends(now))).node
                is node
            ):
                self.revision += 1

    def expire(self, now: float) -> None:
        """Drop whose grace is over."""
        for name, entry in list(self._entries.items()):
            if entry.gone_at is not None and entry.gone_at <= now:
                self._drop(name)

    def next_expiry(self) -> float | None:
        """When ``expire`` has something to do, None for never."""
        return min(
            (entry.gone_at for entry in self._entries.values() if entry.gone_at is not None), default=None
        )

    def _restart_ends(self, now: float) -> float:
        return now + self._restart_grace_s

    def _drop(self, name: str) -> None:
        del self._entries[name]
        self.revision += 1

    def _give_up_addresses(self, node: Node) -> None:
        claimed = _listens_on(node)
        for name, entry in list(self._entries.items()):
            if name != proxy_name(node) and claimed & _listens_on(entry.node):
                self._drop(name)


def proxy_name(node: Node) -> str:
    """How a proxy is called in every table: "<name>.<namespace>"."""
    return f"{node.name}.{node.namespace}"


def _listens_on(node: Node) -> set[tuple[str, int]]:
    return {(node.address, port.target_port) for port in node.ports}
