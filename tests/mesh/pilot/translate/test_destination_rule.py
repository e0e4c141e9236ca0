from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mesh.model.cluster import Cluster
from mesh.model.node import Node
from mesh.model.outlier import OutlierDetection, SuccessRate
from mesh.pilot.translate.clusters import clusters
from mesh.pilot.world import World

MakeNode = Callable[..., Node]
MakeWorld = Callable[..., World]
REVIEWS = "reviews.default.svc.cluster.local"


def rule(spec: str, name: str = "reviews", namespace: str = "default") -> str:
    return f"""
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"""


def cluster(world: World, node: Node, subset: str = "", port: int = 9080) -> Cluster:
    name = f"outbound|{port}|{subset}|{REVIEWS}"
    return next(found for found in clusters(world, node) if found.name == name)


def test_a_policy_shapes_every_cluster_of_its_host(world: MakeWorld, node: MakeNode) -> None:
    made = world(
        (node(),),
        rule(
            """{host: reviews, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, tls: {mode: DISABLE},
            connectionPool: {tcp: {maxConnections: 7, connectTimeout: 30ms},
            http: {http1MaxPendingRequests: 1, http2MaxRequests: 2, maxRetries: 3,
            maxRequestsPerConnection: 4, idleTimeout: 5s}}}, subsets: [{name: v1, labels: {version: v1}}]}"""
        ),
    )
    for subset in ("", "v1"):
        found = cluster(made, node(), subset)
        breaker = found.circuit_breaker
        assert (found.lb_policy, found.tls, found.tls_by_endpoint) == ("ROUND_ROBIN", None, False)
        assert (breaker.max_connections, breaker.max_pending_requests) == (7, 1)
        assert (breaker.max_requests, breaker.max_retries) == (2, 3)
        assert (found.connect_timeout_s, found.idle_timeout_s) == (0.03, 5.0)
        assert found.max_requests_per_connection == 4
        assert found.config == "destination-rule/default/reviews"


def test_a_subset_overrides_field_by_field_and_a_port_replaces(world: MakeWorld, node: MakeNode) -> None:
    made = world(
        (node(),),
        rule(
            """{host: reviews, trafficPolicy: {loadBalancer: {simple: RANDOM}, tls: {mode: DISABLE}},
            subsets: [
            {name: a, labels: {}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}},
            {name: b, labels: {}, trafficPolicy: {portLevelSettings: [
              {port: {number: 9080}, loadBalancer: {simple: ROUND_ROBIN}}]}}]}"""
        ),
    )
    whole, a, b = (cluster(made, node(), subset) for subset in ("", "a", "b"))
    assert (whole.lb_policy, whole.tls) == ("RANDOM", None)
    assert (a.lb_policy, a.tls) == ("ROUND_ROBIN", None)
    assert b.lb_policy == "ROUND_ROBIN"
    assert b.tls_by_endpoint, "what a port's settings leave out is default, not inherited"


def test_the_annotation_adds_to_every_outlier_detection_of_the_rule(world: MakeWorld, node: MakeNode) -> None:
    text = rule(
        """{host: reviews, trafficPolicy: {outlierDetection: {interval: 1s}}, subsets: [
        {name: a, labels: {}, trafficPolicy: {portLevelSettings: [
          {port: {number: 9080}, outlierDetection: {interval: 2s}}]}}]}"""
    ).replace(
        "namespace: default",
        "namespace: default, annotations: {mesh-labs.io/outlier-detection: success-rate}",
    )
    made = world((node(),), text)
    for subset, interval_s in (("", 1.0), ("a", 2.0)):
        rules = OutlierDetection(interval_s=interval_s, success_rate=SuccessRate())
        assert cluster(made, node(), subset).outlier_detection == rules


def test_istio_mutual_asks_no_endpoint(world: MakeWorld, node: MakeNode) -> None:
    made = world((node(),), rule("{host: reviews, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, sni: x.com}}}"))
    found = cluster(made, node())
    assert found.tls is not None
    assert (found.tls.sni, found.tls_by_endpoint) == ("x.com", False)


def test_auto_mtls_names_the_accounts_of_the_service(world: MakeWorld, node: MakeNode) -> None:
    other = node("reviews-v2", 2, service_account="second")
    found = cluster(world((node(), other)), node())
    assert found.tls is not None
    assert found.tls.subject_alt_names == (
        "spiffe://cluster.local/ns/default/sa/bookinfo-reviews",
        "spiffe://cluster.local/ns/default/sa/second",
    )
    assert found.tls_by_endpoint
    assert found.lb_policy == "LEAST_REQUEST"


def test_the_callers_namespace_decides_before_the_services(world: MakeWorld, node: MakeNode) -> None:
    client = node("curl", 9, namespace="other", service="", ports=())
    made = world(
        (node(), client),
        rule("{host: reviews, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}")
        + rule(f"{{host: {REVIEWS}, trafficPolicy: {{loadBalancer: {{simple: RANDOM}}}}}}", "x", "other")
        + rule("{host: '*', trafficPolicy: {loadBalancer: {simple: RANDOM}}}", "root", "istio-system"),
    )
    assert cluster(made, node()).lb_policy == "ROUND_ROBIN"
    assert cluster(made, client).lb_policy == "RANDOM"


def test_the_root_namespace_is_the_last_resort(world: MakeWorld, node: MakeNode) -> None:
    made = world(
        (node(),), rule("{host: '*.local', trafficPolicy: {tls: {mode: DISABLE}}}", "root", "istio-system")
    )
    assert cluster(made, node()).config == "destination-rule/istio-system/root"


def test_rules_for_one_host_are_merged_first_name_first(world: MakeWorld, node: MakeNode) -> None:
    subset: Callable[..., Any] = (
        "{{host: reviews, trafficPolicy: {{loadBalancer: {{simple: {}}}}}, subsets: {}}}".format
    )
    made = world(
        (node(), node("reviews-v2", 2)),
        rule(subset("RANDOM", "[{name: v1, labels: {version: v2}}, {name: v2, labels: {version: v2}}]"), "b")
        + rule(subset("ROUND_ROBIN", "[{name: v1, labels: {version: v1}}]"), "a"),
    )
    assert cluster(made, node(), "v2").lb_policy == "ROUND_ROBIN"
    assert cluster(made, node(), "v2").config == "destination-rule/default/a"


def test_an_exact_host_beats_a_wildcard(world: MakeWorld, node: MakeNode) -> None:
    made = world(
        (node(),),
        rule("{host: '*.default.svc.cluster.local', trafficPolicy: {loadBalancer: {simple: RANDOM}}}", "a")
        + rule("{host: reviews, subsets: [{name: v1, labels: {version: v1}}]}", "b"),
    )
    assert cluster(made, node()).lb_policy == "LEAST_REQUEST"
    assert cluster(made, node(), "v1").config == "destination-rule/default/b"
