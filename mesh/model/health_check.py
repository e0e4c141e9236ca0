"""Active health checks: what a proxy asks of a cluster's endpoints, how often, and what it makes of it.

Envoy's ``core.v3.HealthCheck`` in its own words. Times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Method = Literal["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"]
Statuses = tuple[tuple[int, int], ...]  # from the first to before the second


@dataclass(frozen=True, slots=True)
class HttpHealthCheck:
    """A request; ``host`` "" is the cluster's name. No expected statuses: 200.

    A retriable status counts as one failure, any other that is not expected as all of them. With ``receive``
    the body holds these texts, in this order.
    """

    path: str
    host: str = ""
    method: Method = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    expected_statuses: Statuses = ()
    retriable_statuses: Statuses = ()
    receive: tuple[bytes, ...] = ()
    http2: bool = False


@dataclass(frozen=True, slots=True)
class TcpHealthCheck:
    """A connection; and with ``receive`` what comes on it after ``send`` holds these bytes, in this order."""

    send: bytes = b""
    receive: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class GrpcHealthCheck:
    """``grpc.health.v1.Health/Check``; the cluster speaks HTTP/2."""

    service_name: str = ""
    authority: str = ""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """An endpoint fails after ``unhealthy_threshold`` failures to connect or to answer in time, or at once
    when it says so; it is back after ``healthy_threshold`` checks that pass, at once if it was never checked.

    The intervals that are None are the ones above them. Jitters are added at random, up to their size, the
    initial one before the first check. ``no_traffic_interval_s`` is for clusters never connected to.
    ``alpn`` is what TLS offers instead of what the cluster says.
    """

    check: HttpHealthCheck | TcpHealthCheck | GrpcHealthCheck
    timeout_s: float = 1.0
    interval_s: float = 10.0
    unhealthy_threshold: int = 3
    healthy_threshold: int = 2
    no_traffic_interval_s: float = 60.0
    no_traffic_healthy_interval_s: float | None = None  # of those that are healthy
    unhealthy_interval_s: float | None = None  # of those that are not
    unhealthy_edge_interval_s: float | None = None  # ... while failures are counted, but not enough
    healthy_edge_interval_s: float | None = None  # ... while passed checks are
    initial_jitter_s: float = 0.0
    interval_jitter_s: float = 0.0
    interval_jitter_percent: int = 0
    reuse_connection: bool = True
    alpn: tuple[str, ...] = ()
