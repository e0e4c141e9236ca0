"""The real Envoy takes every kind of cluster that the codec writes."""

from __future__ import annotations

import pytest

from mesh.model.cluster import Cluster, OutlierDetection
from mesh.xds.codec.codec import encode

CLUSTERS = (
    Cluster("outlier", "EDS", outlier_detection=OutlierDetection(), panic_threshold=40),
    Cluster("outlier-apart", "EDS", outlier_detection=OutlierDetection(0, 3, True, 7, 1.0, 0.1, 100)),
)


@pytest.mark.envoy
def test_envoy_takes_them(envoy_says):
    assert envoy_says([], [encode(cluster) for cluster in CLUSTERS]) == ""
