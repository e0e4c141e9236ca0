"""What everything on one event loop shares: loop, timers, chance, stats, clusters, identity."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from mesh.model.node import Node
from mesh.model.peer import UNKNOWN_PEER, Peer
from mesh.model.route import ScriptedFault
from mesh.proxy.access_record import AccessRecords
from mesh.proxy.overload import DEFAULT_LIMITS, Overload, OverloadLimits
from mesh.proxy.stats import Stats
from mesh.proxy.timers import Timers
from mesh.proxy.tls_contexts import TlsContexts
from mesh.proxy.tls_session import TlsSessions
from mesh.remember import remember

if TYPE_CHECKING:
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.crew.messages import Ejected

MAX_KNOWN_PEERS = 4096  # decoded peers kept; callers choose the texts, so it is bounded
_DATE_FORMAT = "%a, %d %b %Y %H:%M:%S GMT"


class Worker:
    """One thread of the data plane. ``clusters`` is read at each request, so a change is in force at once."""

    def __init__(
        self,
        node: Node,
        loop: asyncio.AbstractEventLoop,
        *,
        rng: Random | None = None,
        peer_metadata: bytes = b"",
        decode_peer: Callable[[bytes], Peer] | None = None,
        overload: OverloadLimits = DEFAULT_LIMITS,
        workers: int = 1,
    ) -> None:
        """``peer_metadata`` is our x-envoy-peer-metadata; ``decode_peer`` reads others' (ValueError: bad).

        ``workers`` is how many share the ports and, each with a part of it, what limits the whole proxy.
        """
        self.node = node
        self.loop = loop
        self.workers = workers
        self.rng = rng or Random()
        self.timers = Timers(loop)
        self.stats = Stats()
        self.overload = Overload(self._share_of(overload), self.stats)
        self.contexts = TlsContexts()
        self.tls_sessions: TlsSessions = WeakValueDictionary()
        self.clusters: dict[str, RuntimeCluster] = {}
        self.peer_metadata = peer_metadata
        self.peer_metadata_id = node.id.encode()
        self.own_principal = str(node.spiffe_id)
        self.own_peer = node.peer()
        self.access_records = AccessRecords(self.own_peer, self.own_principal)
        self.draining = False
        self.on_ejected: Callable[[Ejected], None] = lambda _: None  # an outlier: the other workers are told
        self.script_counts: dict[ScriptedFault, int] = {}  # requests each step has seen
        self.resolved: dict[str, tuple[str, ...]] = {}  # addresses of the names clusters look up
        self.own_addresses: set[tuple[str, int]] = set()  # where we listen: the loop guard
        self._decode_peer = decode_peer
        self._peers: dict[bytes, Peer] = {}
        self._date = (0, b"")
        self._random_bits = self.rng.getrandbits
        self._id_middle = b"%04x-4%03x-a%03x" % (
            self._random_bits(16),
            self._random_bits(12),
            self._random_bits(12),
        )
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """The one way to start a task: it has a name, and somebody holds it until it ends."""
        task = self.loop.create_task(coroutine, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def peer(self, metadata: bytes) -> Peer:
        """The peer a metadata header describes; unknown when it says nothing sensible."""
        found = self._peers.get(metadata)
        if found is None:
            found = remember(self._peers, metadata, self._read_peer(metadata), MAX_KNOWN_PEERS)
        return found

    def _read_peer(self, metadata: bytes) -> Peer:
        if self._decode_peer is None:
            return UNKNOWN_PEER
        try:
            return self._decode_peer(metadata)
        except ValueError:
            return UNKNOWN_PEER

    def share(self, limit: int) -> int:
        """This worker's part of what is limited for the proxy; at least 1 of what is not nothing."""
        return max(limit // self.workers, min(limit, 1))

    def _share_of(self, limits: OverloadLimits) -> OverloadLimits:
        return replace(
            limits,
            max_heap_bytes=self.share(limits.max_heap_bytes),
            max_downstream_connections=self.share(limits.max_downstream_connections),
        )

    def date(self, now: float) -> bytes:
        """The Date field's value for this second."""
        second = int(now)
        if second != self._date[0]:
            self._date = (second, time.strftime(_DATE_FORMAT, time.gmtime(now)).encode())
        return self._date[1]

    def request_id(self) -> bytes:
        """A version 4 UUID; made by ``rng``, so that a seeded run repeats it.

        80 bits are drawn for each, the middle once for this process: a third of what a whole draw costs.
        """
        bits = self._random_bits
        return b"%08x-%b-%012x" % (bits(32), self._id_middle, bits(48))
