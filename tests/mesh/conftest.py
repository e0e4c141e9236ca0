"""A sidecar as admin sees it, and a request as the sinks see it."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

import pytest

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node, ServicePort
from mesh.model.peer import Peer
from mesh.model.tls import Secrets
from mesh.proxy.admin_view import ClusterView, ConfigView, ListenerView, State
from mesh.proxy.crew.tally import Tally
from mesh.proxy.istio_stats import IstioStats
from mesh.proxy.stats import Stats

NODE = Node(
    name="productpage-v1-0",
    namespace="default",
    address="127.0.0.1",
    service_account="bookinfo-productpage",
    workload="productpage-v1",
    service="productpage",
    ports=(ServicePort("http", 9080, 9080),),
    labels={"app": "productpage", "version": "v1"},
    interception="NONE",
)


class SidecarView:
    """An AdminView whose answers are set by the test, and which remembers what was asked of it."""

    def __init__(self) -> None:
        self.node = NODE
        self.state: State = "LIVE"
        self.healthy = True
        self.started_at = 1_700_000_000.0
        self.concurrency = 1
        self.pids = [os.getpid()]
        self.stats = Stats()
        self.istio_stats = IstioStats(NODE)
        self.config_view = ConfigView()
        self.cluster_views: Sequence[ClusterView] = ()
        self.listener_views: Sequence[ListenerView] = ()
        self.secrets_held: Secrets | None = None
        self.asked: list[str] = []

    def tally(self) -> Tally:
        return Tally(self.stats, self.istio_stats, self.cluster_views)

    def config(self) -> ConfigView:
        return self.config_view

    def listeners(self) -> Sequence[ListenerView]:
        return self.listener_views

    def secrets(self) -> Secrets | None:
        return self.secrets_held

    def reset(self) -> None:
        self.asked.append("reset")

    def set_level(self, logger: str, level: int) -> None:
        logging.getLogger(logger).setLevel(level)

    def drain(self, *, graceful: bool) -> None:
        self.asked.append(f"drain graceful={graceful}")

    def quit(self) -> None:
        self.asked.append("quit")

    def set_healthy(self, healthy: bool) -> None:
        self.healthy = healthy


@pytest.fixture
def view() -> SidecarView:
    return SidecarView()


@pytest.fixture
def node() -> Node:
    return NODE


@pytest.fixture
def entry() -> AccessLogEntry:
    """A request from productpage to reviews v1 over mTLS, as productpage's sidecar logs it."""
    return AccessLogEntry(
        reporter="source",
        start_time=1_700_000_000.25,
        duration_s=0.0043,
        method="GET",
        path="/reviews/0",
        protocol="HTTP/1.1",
        authority="reviews:9080",
        response_code=200,
        response_code_details="via_upstream",
        bytes_received=0,
        bytes_sent=295,
        request_header_bytes=200,
        response_header_bytes=105,
        upstream_service_time_s=0.004,
        user_agent="curl/8.5",
        request_id="4f0a7a50-b0a6-4f2c-a0bd-4fbb0b3a4d4e",
        upstream_host="127.64.3.2:9080",
        upstream_cluster="outbound|9080|v1|reviews.default.svc.cluster.local",
        upstream_local_address="127.0.0.1:45454",
        downstream_local_address="127.64.1.2:15001",
        downstream_remote_address="127.0.0.1:55555",
        route_name="default",
        source_principal="spiffe://cluster.local/ns/default/sa/bookinfo-productpage",
        destination_principal="spiffe://cluster.local/ns/default/sa/bookinfo-reviews",
        source=NODE.peer(),
        destination=Peer("reviews-v1", "default", "reviews", "v1", "reviews", "v1", "Kubernetes"),
    )
