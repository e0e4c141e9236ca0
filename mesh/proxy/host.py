"""One endpoint of a cluster at run time: its connections, its counts, and whether it may take requests."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from mesh.model.endpoint import Endpoint, Locality
from mesh.model.peer import UNKNOWN_PEER, Peer
from mesh.proxy.http2_pool import make_pool

if TYPE_CHECKING:
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.pool import Pool

Address = tuple[str, int]


class Host:
    """``active`` counts its requests in flight; the totals are for admin.

    ``weight`` is what it is balanced by: the endpoint's, or less while it warms up, which it does from
    ``warms_since`` on.
    """

    __slots__ = (
        "active",
        "address",
        "connect_fail",
        "connections",
        "endpoint",
        "errors",
        "locality",
        "monitor",
        "peer",
        "pool",
        "priority",
        "successes",
        "text",
        "timeouts",
        "tunnels",
        "uses_tls",
        "warms_since",
        "weight",
    )

    def __init__(self, endpoint: Endpoint, cluster: RuntimeCluster) -> None:
        self.address: Address = (endpoint.address, endpoint.port)
        self.text = f"{endpoint.address}:{endpoint.port}"
        self.warms_since = cluster.worker.loop.time()
        self.locality = Locality()
        self.priority = 0
        self.active = self.successes = self.errors = self.timeouts = 0
        self.connections = self.connect_fail = 0
        self.describe(endpoint)
        self.monitor = cluster.detector.watch() if cluster.detector is not None else None
        self.uses_tls = cluster.uses_tls(endpoint)  # an endpoint that changes it becomes another one
        self.pool = make_pool(self, cluster)
        self.tunnels: Pool | None = None  # made when first needed

    def describe(self, endpoint: Endpoint) -> None:
        """Take what may change while the endpoint stays the same."""
        self.endpoint = endpoint
        self.weight = max(endpoint.weight, 1)
        self.peer = _peer(endpoint.workload)

    @property
    def is_ejected(self) -> bool:
        return self.monitor is not None and self.monitor.is_ejected

    @property
    def is_healthy(self) -> bool:
        return self.endpoint.health == "HEALTHY" and not self.is_ejected

    @property
    def is_excluded(self) -> bool:
        """Not to be counted when it is asked how healthy a level is."""
        return False


@lru_cache(maxsize=4096)
def _peer(workload: str) -> Peer:
    """The same text gives the same object, which is what makes counting by peer cheap."""
    try:
        return Peer.from_text(workload)
    except ValueError:
        return UNKNOWN_PEER
