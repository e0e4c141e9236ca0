from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mesh.model.cluster import Cluster
from mesh.model.node import Node
from mesh.model.outlier import OutlierDetection, SuccessRate
from mesh.model.route import Forward
from mesh.pilot.translate.assemble import assemble
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


def in_force(world: World, *clients: Node) -> list[tuple[int, list[str]]]:
    """What each client's connections are limited to, and the subsets it knows."""
    found = []
    for client in clients:
        subsets = {one.name.split("|")[2] for one in clusters(world, client) if one.host == REVIEWS}
        found.append((cluster(world, client).circuit_breaker.max_connections, sorted(subsets)))
    return found


def limit(connections: int, more: str = "", subset: str = "", host: str = REVIEWS) -> str:
    policy = f"trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: {connections}}}}}}}"
    subsets = f", subsets: [{{name: {subset}}}]" if subset else ""
    return f"{{host: {host}, {policy}{subsets}{more}}}"


def test_a_rule_is_kept_from_callers_it_is_not_exported_to(world: MakeWorld, node: MakeNode) -> None:
    here, away, other = node(), node("web-v1", 2, namespace="away"), node("web-v1", 3, namespace="other")
    text = (
        rule(limit(1, ", exportTo: [., away]"))
        + rule(limit(2, host="'*.local'"), "wide")
        + rule(limit(3), "root", "istio-system")
    )
    made = world((here, away, other), text)
    assert [each for each, _ in in_force(made, here, away, other)] == [1, 1, 2]
    made = world((here, away, other), text.replace("'*.local'", "'*.local', exportTo: ['.']"))
    assert [each for each, _ in in_force(made, here, away, other)] == [1, 1, 3]


def test_callers_obey_the_rules_of_their_own_namespace_wherever_these_go(
    world: MakeWorld, node: MakeNode
) -> None:
    made = world((node(),), rule(limit(1, ", exportTo: [other]")))
    assert in_force(made, node()) == [(1, [""])]


def test_the_roots_rules_are_the_last_for_its_own_workloads_too(world: MakeWorld, node: MakeNode) -> None:
    gateway = node("web-v1", 2, namespace="istio-system")
    root = rule(limit(3, host="'*.local'"), "root", "istio-system")
    assert in_force(world((node(), gateway), root + rule(limit(1))), gateway) == [(1, [""])]
    assert in_force(world((node(), gateway), root), gateway) == [(3, [""])]


def test_a_selectors_rule_goes_first_and_the_others_fill_in(world: MakeWorld, node: MakeNode) -> None:
    picked, other, away = node("web-v1"), node("web-v2", 2), node("web-v1", 3, namespace="away")
    selector = ", workloadSelector: {matchLabels: {app: web, version: v1}}"
    text = (
        rule(limit(1, subset="v1"), "a")
        + rule(limit(2, selector, subset="v2"), "b")
        + rule(limit(3, ", workloadSelector: {matchLabels: {app: web}}", subset="v3"), "c")
        + rule(limit(4, selector, subset="v4"), "d")
    )
    made = world((node(), picked, other, away), text)
    assert in_force(made, picked, other, away) == [
        (2, ["", "v1", "v2", "v4"]),
        (3, ["", "v1", "v3"]),
        (1, ["", "v1"]),
    ]
    assert cluster(made, picked).config == "destination-rule/default/b"


def test_routes_and_endpoints_follow_the_selected_rule(world: MakeWorld, node: MakeNode) -> None:
    selector = ", workloadSelector: {matchLabels: {app: web}}"
    hashing = "trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}"
    picked, other = node("web-v1"), node("mobile-v1", 2)
    made = world(
        (node(), picked, other),
        rule(f"{{host: reviews, {hashing}, subsets: [{{name: none, labels: {{for: nobody}}}}]{selector}}}"),
    )
    hashed, plain = assemble(made, picked), assemble(made, other)
    name = f"outbound|9080|none|{REVIEWS}"
    assert name in {one.cluster_name for one in hashed.endpoints}
    assert name not in {one.cluster_name for one in plain.endpoints}
    keys = [
        {
            key.name
            for table in found.routes
            for host in table.virtual_hosts
            for route in host.routes
            if isinstance(route.action, Forward)
            for key in route.action.hash_policies
        }
        for found in (hashed, plain)
    ]
    assert keys == [{"x-user"}, set()]
