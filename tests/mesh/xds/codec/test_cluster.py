"""The real Envoy takes every kind of cluster that the codec writes."""

from __future__ import annotations

import pytest

from mesh.model.cluster import CircuitBreaker, Cluster, SlowStart, TcpKeepalive
from mesh.model.health_check import GrpcHealthCheck, HealthCheck, HttpHealthCheck, TcpHealthCheck
from mesh.model.outlier import FailurePercentage, OutlierDetection, SuccessRate
from mesh.xds.codec.codec import encode

CLUSTERS = (
    Cluster("outlier", "EDS", outlier_detection=OutlierDetection(), panic_threshold=40),
    Cluster("outlier-apart", "EDS", outlier_detection=OutlierDetection(0, 3, True, 7, 1.0, 0.1, 100)),
    Cluster(
        "outlier-rates",
        "EDS",
        outlier_detection=OutlierDetection(
            max_ejection_time_s=60.0,
            max_ejection_time_jitter_s=1.5,
            always_eject_one_host=True,
            uneject_on_health_check=False,
            success_rate=SuccessRate(3, 20, 1500, 50, 0),
            failure_percentage=FailurePercentage(50, 2, 10, 100, 25),
        ),
    ),
    Cluster(
        "checked",
        "EDS",
        health_check=HealthCheck(
            HttpHealthCheck(
                "/healthz", "a", "POST", (("x-a", "b"),), ((200, 300),), ((503, 504),), (b"ok",), True
            ),
            initial_jitter_s=0.5,
            interval_jitter_percent=10,
            healthy_edge_interval_s=0.1,
            reuse_connection=False,
        ),
        ignore_health_on_host_removal=True,
        http2=True,
    ),
    Cluster("checked-in-bytes", "EDS", health_check=HealthCheck(TcpHealthCheck(b"PING\r\n", (b"+PONG",)))),
    Cluster("checked-in-grpc", "EDS", health_check=HealthCheck(GrpcHealthCheck("a", "b")), http2=True),
    Cluster("localities", "EDS", locality_weighted=True, panic_threshold=50),
    Cluster("pool", "EDS", circuit_breaker=CircuitBreaker(1, 2, 3, 4), max_connection_duration_s=60.0),
    Cluster("slow", "EDS", "LEAST_REQUEST", SlowStart(30.0)),
    Cluster("slow-in-turn", "EDS", "ROUND_ROBIN", SlowStart(30.0, 0.0, 2.0)),
    Cluster("ring", "EDS", "RING_HASH", hash_table_size=2048),
    Cluster("maglev", "EDS", "MAGLEV", hash_table_size=65537),
    Cluster("keepalive", "EDS", tcp_keepalive=TcpKeepalive(3, 60, None)),
)


@pytest.mark.envoy
def test_envoy_takes_them(envoy_says):
    assert envoy_says([], [encode(cluster) for cluster in CLUSTERS]) == ""
