"""What is known of a request and its response while they pass: the facts an ``Exchange`` works on.

Times ``started`` and ``sent_at`` are monotonic seconds, ``start_time`` is seconds since the epoch.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from mesh.http.message import Request, Response
from mesh.model.peer import UNKNOWN_PEER, Peer

if TYPE_CHECKING:
    from mesh.proxy.attempts import Attempts
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.ends import Downstream, Upstream
    from mesh.proxy.host import Host
    from mesh.proxy.pool import Pool
    from mesh.proxy.request_body import RequestBody
    from mesh.proxy.route import CompiledRoute, Destination
    from mesh.proxy.timeout import Timeouts
    from mesh.proxy.timers import Timer


class ExchangeState:
    """Made once a request, so: slots, and nothing that most requests do not need."""

    __slots__ = (
        "_attempts",
        "_hold",
        "_in_attempt",
        "_waiting_in",
        "body",
        "bytes_sent",
        "cluster",
        "destination",
        "details",
        "downstream",
        "flags",
        "has_wishes",
        "hash_key",
        "header_bytes_sent",
        "host",
        "is_chunked",
        "is_finished",
        "keep_alive",
        "manager",
        "peer",
        "peer_asked",
        "replied",
        "request",
        "response",
        "route",
        "sent_at",
        "service_time_s",
        "start_time",
        "started",
        "status",
        "timeouts",
        "transport_reason",
        "upstream",
        "upstream_local",
        "upstream_principal",
        "worker",
    )

    def __init__(self, downstream: Downstream, request: Request) -> None:
        self.downstream = downstream
        self.manager = downstream.manager
        self.worker = downstream.worker
        self.request = request
        self.start_time = time.time()
        self.started = time.monotonic()
        stats = self.manager.stats
        stats.rq_total.value += 1
        stats.rq_active.value += 1
        # where it goes
        self.route: CompiledRoute | None = None
        self.destination: Destination | None = None
        self.cluster: RuntimeCluster | None = None
        self.host: Host | None = None
        self._waiting_in: Pool | None = None  # where it waits for a connection
        self._in_attempt = False  # counted at cluster and host
        self.upstream: Upstream | None = None
        self.upstream_local = self.upstream_principal = ""
        self.body: RequestBody | None = None
        self.sent_at = 0.0
        # what most requests never have
        self._attempts: Attempts | None = None
        self.hash_key: int | None = None
        self._hold: Timer | None = None
        self.timeouts: Timeouts | None = None
        # what came of it
        self.response: Response | None = None  # the upstream's
        self.replied: Response | None = None  # ours instead
        self.status = 0
        self.flags = "-"
        self.details = self.transport_reason = ""
        self.service_time_s: float | None = None
        self.bytes_sent = self.header_bytes_sent = 0
        self.peer: Peer = UNKNOWN_PEER  # the workload on the other side, as far as it has said
        self.has_wishes = self.peer_asked = self.is_finished = self.is_chunked = False
        self.keep_alive = request.keep_alive

    @property
    def names_protocol(self) -> bool:
        """Whether a connection that is made for it offers its protocol by ALPN."""
        return self.manager.names_protocol
