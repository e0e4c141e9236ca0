"""DestinationRule's policy, field by field, as the cluster that pilot sends."""

from __future__ import annotations

from typing import Any

from mesh.galley.api.traffic_policy import TrafficPolicy
from mesh.model.cluster import (
    UNLIMITED,
    CircuitBreaker,
    Cluster,
    RetryBudget,
    SlowStart,
    TcpKeepalive,
)
from mesh.model.outlier import OutlierDetection
from mesh.pilot.translate.cluster_policy import apply_policy
from mesh.pilot.translate.destination_rule import Policy


def shaped(**fields: Any) -> Cluster:
    policy = TrafficPolicy.model_validate(fields)
    return apply_policy(
        Cluster("c", "EDS"),
        Policy(
            policy.load_balancer,
            policy.connection_pool,
            policy.tls,
            policy.outlier_detection,
            policy.retry_budget,
        ),
    )


def test_no_outlier_detection_is_said_by_nobody() -> None:
    assert shaped().outlier_detection is None
    assert shaped().panic_threshold == 0


def test_an_empty_outlier_detection_is_envoys_default() -> None:
    assert shaped(outlierDetection={}).outlier_detection == OutlierDetection()
    assert OutlierDetection() == OutlierDetection(5, 0, False, 5, 10.0, 30.0, 10)


def test_outlier_detection_field_by_field() -> None:
    found = shaped(
        outlierDetection={
            "consecutive5xxErrors": 0,
            "consecutiveGatewayErrors": 3,
            "splitExternalLocalOriginErrors": True,
            "consecutiveLocalOriginFailures": 7,
            "interval": "1s",
            "baseEjectionTime": "3m",
            "maxEjectionPercent": 100,
            "minHealthPercent": 40,
        }
    )
    assert found.outlier_detection == OutlierDetection(0, 3, True, 7, 1.0, 180.0, 100)
    assert found.panic_threshold == 40


def test_a_connection_pool_field_by_field() -> None:
    found = shaped(
        connectionPool={
            "tcp": {
                "maxConnections": 1,
                "connectTimeout": "3s",
                "maxConnectionDuration": "1h",
                "tcpKeepalive": {"probes": 9, "time": "7200s", "interval": "75s"},
            },
            "http": {
                "http1MaxPendingRequests": 2,
                "http2MaxRequests": 3,
                "maxRetries": 4,
                "maxRequestsPerConnection": 5,
                "idleTimeout": "6s",
            },
        }
    )
    assert found.circuit_breaker == CircuitBreaker(1, 2, 3, 4)
    assert (found.connect_timeout_s, found.max_connection_duration_s, found.idle_timeout_s) == (3, 3600, 6)
    assert found.max_requests_per_connection == 5
    assert found.tcp_keepalive == TcpKeepalive(9, 7200, 75)


def test_zero_is_no_limit() -> None:
    found = shaped(connectionPool={"tcp": {"maxConnections": 0}, "http": {"http2MaxRequests": 0}})
    assert found.circuit_breaker == CircuitBreaker(UNLIMITED, UNLIMITED, UNLIMITED, UNLIMITED)


def test_a_retry_budget_has_istios_defaults() -> None:
    assert shaped().circuit_breaker.retry_budget is None
    assert shaped(retryBudget={}).circuit_breaker.retry_budget == RetryBudget(20.0, 3)
    said = shaped(retryBudget={"percent": 0.0, "minRetryConcurrency": 0})
    assert said.circuit_breaker.retry_budget == RetryBudget(0.0, 0)


def test_warming_up() -> None:
    assert shaped(loadBalancer={"warmupDurationSecs": "30s"}).slow_start == SlowStart(30.0)
    warmup = {"duration": "1m", "minimumPercent": 20.0, "aggression": 2.0}
    assert shaped(loadBalancer={"simple": "ROUND_ROBIN", "warmup": warmup}).slow_start == SlowStart(60, 20, 2)
    assert shaped(loadBalancer={"simple": "RANDOM", "warmup": warmup}).slow_start is None
