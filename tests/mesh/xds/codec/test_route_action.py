"""The real Envoy takes every part of forwarding that the codec writes."""

from __future__ import annotations

import pytest

from mesh.model.cluster import CircuitBreaker, Cluster, RetryBudget
from mesh.model.endpoint import ClusterLoadAssignment
from mesh.model.http_filter import CorsFilter, FaultFilter, Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.route import (
    NON_IDEMPOTENT,
    CorsPolicy,
    Fault,
    FaultAbort,
    Forward,
    HashPolicy,
    Mirror,
    RegexRewrite,
    RetryPolicy,
    Route,
    RouteConfiguration,
    RouteMatch,
    ScriptedFault,
    StringMatch,
    VirtualHost,
    WeightedCluster,
)
from mesh.xds.codec.codec import encode

FILTERS = (FaultFilter(), CorsFilter(), Router())
BUDGET = CircuitBreaker(retry_budget=RetryBudget(25.0, 5))
CLUSTERS = [
    Cluster(name, "STATIC", load_assignment=ClusterLoadAssignment(name), circuit_breaker=BUDGET)
    for name in ("a", "b")
]
WEIGHTED = (WeightedCluster("a", 95), WeightedCluster("b", 5))

EVERY_WORD = (
    "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "refused-stream",
    "retriable-4xx", "retriable-status-codes", "retriable-headers", "envoy-ratelimited", "cancelled",
    "deadline-exceeded", "internal", "resource-exhausted", "unavailable", NON_IDEMPOTENT,
)  # fmt: skip

ROUTES = {
    "mirrors": Route(
        RouteMatch(), Forward(WEIGHTED, mirrors=(Mirror("b"), Mirror("a", 12.5, shadow_suffix=False)))
    ),
    "retries": Route(
        RouteMatch(),
        Forward(
            WEIGHTED,
            timeout_s=2.0,
            retry=RetryPolicy(
                3,
                EVERY_WORD,
                0.5,
                (503,),
                base_interval_s=0.1,
                max_interval_s=1.0,
                retriable_headers=("x-again",),
                previous_priorities=2,
            ),
        ),
    ),
    "regex rewrite": Route(
        RouteMatch(), Forward(WEIGHTED, host_rewrite="x", regex_rewrite=RegexRewrite("^/a/(.*)$", "/b/\\1"))
    ),
    "grpc abort": Route(RouteMatch(), Forward(WEIGHTED), fault=Fault(abort=FaultAbort(5.0, grpc_status=14))),
    "sticky": Route(
        RouteMatch(), Forward(WEIGHTED, hash_policies=(HashPolicy("header", "x-user"),), sticky=True)
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


@pytest.mark.envoy
def test_envoy_refuses_a_fault_script_by_its_name(envoy_says) -> None:
    route = Route(RouteMatch(), Forward(WEIGHTED), script=(ScriptedFault("x", "first", 2, 503),))
    config = RouteConfiguration("r", (VirtualHost("v", ("*",), (route,)),))
    manager = HttpConnectionManager("x", FILTERS, route_config=config)
    listener = Listener("l", "127.0.0.1", 0, (FilterChain("c", manager),))
    assert "mesh_labs.fault_script" in envoy_says([encode(listener)], [encode(each) for each in CLUSTERS])
