"""DestinationRule's policy, field by field, as the cluster that pilot sends."""

from __future__ import annotations

from typing import Any

from mesh.galley.api.traffic_policy import TrafficPolicy
from mesh.model.cluster import Cluster, OutlierDetection
from mesh.pilot.translate.cluster_policy import apply_policy
from mesh.pilot.translate.destination_rule import Policy


def shaped(**fields: Any) -> Cluster:
    policy = TrafficPolicy.model_validate(fields)
    return apply_policy(
        Cluster("c", "EDS"),
        Policy(policy.load_balancer, policy.connection_pool, policy.tls, policy.outlier_detection),
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
