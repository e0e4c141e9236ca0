"""One endpoint of a cluster at run time: its connections, its counts, and whether it may take requests."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from mesh.http.message import Request, Response
from mesh.model.endpoint import Endpoint, Locality
from mesh.model.peer import UNKNOWN_PEER, Peer
from mesh.proxy.grpc import http_status_of
from mesh.proxy.health_check.http1_probe import IMMEDIATE_FAIL
from mesh.proxy.http2_pool import make_pool
from mesh.proxy.tls_session import TlsSession

if TYPE_CHECKING:
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.health_check.checker import Session
    from mesh.proxy.outlier import Monitor
    from mesh.proxy.pool import Pool

NOWHERE = Locality()
Address = tuple[str, int]
HostKey = tuple[str, int, bool]  # and whether it is spoken TLS to: an endpoint that changes it is another one


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
        "is_watched",
        "leaves",
        "locality",
        "monitor",
        "peer",
        "pool",
        "priority",
        "session",
        "successes",
        "text",
        "timeouts",
        "tls_session",
        "tunnels",
        "uses_tls",
        "warms_since",
        "weight",
    )

    def __init__(self, endpoint: Endpoint, cluster: RuntimeCluster) -> None:
        self.move(endpoint)
        self.warms_since = cluster.worker.loop.time()
        self.active = self.successes = self.errors = self.timeouts = 0
        self.connections = self.connect_fail = 0
        self.describe(endpoint)
        self.uses_tls = cluster.uses_tls(endpoint)
        self.monitor: Monitor | None = None  # of outlier detection
        self.session: Session | None = None  # of its health checks
        self.is_watched = False  # by either
        tls = cluster.model.tls
        self.tls_session = (
            cluster.worker.tls_sessions.setdefault((self.address, tls), TlsSession()) if tls else None
        )
        self.pool = make_pool(self, cluster)
        self.tunnels: Pool | None = None  # made when first needed

    def move(self, endpoint: Endpoint) -> None:
        """New connections go there; those it has stay where they are."""
        self.endpoint = endpoint
        self.address: Address = (endpoint.address, endpoint.port)
        self.text = f"{endpoint.address}:{endpoint.port}"

    def describe(self, endpoint: Endpoint, locality: Locality = NOWHERE, priority: int = 0) -> None:
        """Take what may change while the endpoint stays the same."""
        self.endpoint = endpoint
        self.locality = locality
        self.priority = priority
        self.weight = max(endpoint.weight, 1)
        self.peer = _peer(endpoint.workload)
        self.leaves = False  # True: it is gone from discovery, and stays while its checks pass

    @property
    def key(self) -> HostKey:
        return (*self.address, self.uses_tls)

    @property
    def is_ejected(self) -> bool:
        return self.monitor is not None and self.monitor.is_ejected

    @property
    def is_healthy(self) -> bool:
        return self.endpoint.health == "HEALTHY" and self.is_passing and not self.is_ejected

    @property
    def is_passing(self) -> bool:
        """Active health checks have nothing against it."""
        return self.session is None or not self.session.health.has_failed

    @property
    def is_excluded(self) -> bool:
        """Not to be counted when it is asked how healthy a level is."""
        return self.session is not None and self.session.health.is_excluded

    def answered(self, request: Request, response: Response) -> None:
        """The head of an answer, for those who watch."""
        if self.monitor is not None:
            self.monitor.answered(http_status_of(request, response))
        if self.session is not None and IMMEDIATE_FAIL in response.fields:
            self.session.asked_to_leave_out()


@lru_cache(maxsize=4096)
def _peer(workload: str) -> Peer:
    """The same text gives the same object, which is what makes counting by peer cheap."""
    try:
        return Peer.from_text(workload)
    except ValueError:
        return UNKNOWN_PEER
