"""The real Envoy takes every part of forwarding that the codec writes."""

from __future__ import annotations

import pytest

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment
from mesh.model.http_filter import CorsFilter, FaultFilter, Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.route import (
    CorsPolicy,
    Forward,
    Mirror,
    Route,
    RouteConfiguration,
    RouteMatch,
    StringMatch,
    VirtualHost,
    WeightedCluster,
)
from mesh.xds.codec.codec import encode

FILTERS = (FaultFilter(), CorsFilter(), Router())
CLUSTERS = [Cluster(name, "STATIC", load_assignment=ClusterLoadAssignment(name)) for name in ("a", "b")]
WEIGHTED = (WeightedCluster("a", 95), WeightedCluster("b", 5))

ROUTES = {
    "mirrors": Route(
        RouteMatch(), Forward(WEIGHTED, mirrors=(Mirror("b"), Mirror("a", 12.5, shadow_suffix=False)))
    ),
    "cors": Route(
        RouteMatch(),
        Forward(WEIGHTED),
        cors=CorsPolicy(
            (StringMatch("exact", "https://a.com"), StringMatch("regex", "https://.*[.]b[.]com")),
            "GET,POST",
            "x-a,x-b",
            "x-c",
            "3600",
            True,
            False,
        ),
    ),
}


@pytest.mark.envoy
def test_envoy_takes_every_kind_of_forwarding(envoy_says) -> None:
    hosts = tuple(VirtualHost(name, (name,), (route,)) for name, route in ROUTES.items())
    manager = HttpConnectionManager("x", FILTERS, route_config=RouteConfiguration("r", hosts))
    listener = Listener("l", "127.0.0.1", 0, (FilterChain("c", manager),))
    assert envoy_says([encode(listener)], [encode(cluster) for cluster in CLUSTERS]) == ""
