"""What objects say of each other: missing subsets, contested hosts; the order of objects plays no part."""

from __future__ import annotations

from collections.abc import Callable

from mesh.galley.fault import path_of
from mesh.galley.parse import parse
from mesh.galley.references import check_references
from mesh.galley.snapshot import ConfigSnapshot, make_snapshot

Make = Callable[..., str]


def snapshot_of(*texts: str) -> ConfigSnapshot:
    parsed = parse("---\n".join(texts), "a.yaml")
    assert not parsed.faults, parsed.faults
    return make_snapshot(candidate.config for candidate in parsed.candidates.values())


def found(*texts: str) -> list[tuple[str, str, str, str]]:
    return [
        (str(f.key), path_of(f.problem.loc), f.problem.severity, f.problem.message)
        for f in check_references(snapshot_of(*texts))
    ]


SPLIT = """\
    - route:
      - destination: {host: reviews, subset: v1}
        weight: 95
      - destination: {host: reviews, subset: v22}
        weight: 5
    """


def test_a_missing_subset_names_those_there_are(virtual_service: Make, destination_rule: Make):
    where = "spec.http[0].route[1].destination.subset"
    message = 'missing subset "v22": reviews.default.svc.cluster.local has v1, v2; did you mean "v2"?'
    expected = [("VirtualService default/reviews", where, "error", message)]
    service, rule = virtual_service(SPLIT), destination_rule("v1", "v2")
    assert found(service, rule) == found(rule, service) == expected


def test_no_destination_rule_at_all_is_said_and_a_near_host_is_hinted_at(
    virtual_service: Make, destination_rule: Make
):
    first, _ = found(virtual_service(SPLIT), destination_rule("v1", host="review"))
    assert first[3] == (
        'missing subset "v1": no DestinationRule is for reviews.default.svc.cluster.local; '
        'did you mean "review"?'
    )


def test_short_and_full_host_names_are_the_same_host(virtual_service: Make, destination_rule: Make):
    rule = destination_rule("v1", "v22", host="reviews.default.svc.cluster.local")
    assert found(virtual_service(SPLIT), rule) == []


def test_a_wildcard_rule_gives_its_subsets_unless_the_host_has_a_rule_of_its_own(
    virtual_service: Make, destination_rule: Make
):
    service, wide = virtual_service(SPLIT), destination_rule("v1", "v22", name="wide", host='"*.local"')
    assert found(service, wide) == []
    narrow = destination_rule("v1")
    assert [f[3] for f in found(service, wide, narrow)] == [
        'missing subset "v22": reviews.default.svc.cluster.local has v1'
    ]


def test_a_short_name_is_taken_in_the_objects_namespace(virtual_service: Make, destination_rule: Make):
    service = virtual_service(SPLIT, namespace="other")
    assert [f[2] for f in found(service, destination_rule("v1", "v22"))] == ["error", "error"]


def test_the_subsets_of_several_rules_add_up_with_a_warning(virtual_service: Make, destination_rule: Make):
    rules = (destination_rule("v1", name="a"), destination_rule("v22", name="b"))
    [(key, path, severity, message)] = found(virtual_service(SPLIT), *rules)
    assert (key, path, severity) == ("DestinationRule default/b", "spec.host", "warning")
    assert "DestinationRule default/a" in message


def test_mirrors_and_tcp_routes_are_looked_at_too():
    service = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: [a]
  http:
  - route:
    - destination: {host: a}
    mirror: {host: a, subset: x}
  - match: [{uri: {prefix: /b}}]
    route:
    - destination: {host: a}
    mirrors:
    - destination: {host: a, subset: y}
  tcp:
  - route:
    - destination: {host: a, subset: z}
"""
    assert [path for _, path, _, _ in found(service)] == [
        "spec.http[0].mirror.subset",
        "spec.http[1].mirrors[0].destination.subset",
        "spec.tcp[0].route[0].destination.subset",
    ]


def test_two_virtual_services_of_one_host_are_warned_of(virtual_service: Make):
    [(key, path, severity, message)] = found(virtual_service(name="a"), virtual_service(name="b"))
    assert (key, path, severity) == ("VirtualService default/b", "spec.hosts[0]", "warning")
    assert message == (
        'the host "reviews" is also VirtualService default/a\'s: one VirtualService a host is followed'
    )


def test_two_policies_of_the_same_workloads_are_warned_of():
    policy = """\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: NAME}
spec: {mtls: {mode: STRICT}}
"""
    [(key, _, severity, _)] = found(policy.replace("NAME", "a"), policy.replace("NAME", "b"))
    assert (key, severity) == ("PeerAuthentication default/b", "warning")


def test_delegates_are_looked_for_both_ways():
    root = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: root}
spec: {hosts: [a], http: [{delegate: {name: here}}, {delegate: {name: gone, namespace: far}}]}
"""
    delegate = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: NAME}
spec: {http: [{route: [{destination: {host: a}}]}]}
"""
    here, lonely = delegate.replace("NAME", "here"), delegate.replace("NAME", "lonely")
    assert [(str(key), path, message) for key, path, _, message in found(root, here, lonely)] == [
        (
            "VirtualService default/root",
            "spec.http[1].delegate",
            "missing delegate: no VirtualService far/gone without hosts",
        ),
        (
            "VirtualService default/lonely",
            "spec",
            "no host, and no VirtualService delegates to it: it is not in force",
        ),
    ]


def check(name: str, spec: str) -> str:
    head = "apiVersion: mesh-labs.io/v1alpha1\nkind: HealthCheck\n"
    return f"{head}metadata: {{name: {name}}}\nspec: {spec}\n"


def test_a_checked_subset_must_be_there(destination_rule: Make):
    rule, text = destination_rule("v1"), check("a", "{host: reviews, subset: v2, tcp: {}}")
    [(key, where, severity, message)] = found(rule, text)
    assert (key, where, severity) == ("HealthCheck default/a", "spec.subset", "error")
    assert message.startswith('missing subset "v2": reviews.default.svc.cluster.local has v1')
    assert found(rule, text.replace("subset: v2", "subset: v1")) == []


def test_two_checks_of_the_same_endpoints_are_told_apart():
    texts = check("a", "{host: reviews, tcp: {}}"), check("b", "{host: reviews, ports: [80], tcp: {}}")
    assert found(*texts) == []
    third = check("c", "{host: reviews.default.svc.cluster.local, ports: [80, 81], tcp: {}}")
    [(key, _, severity, message)] = found(*texts, third)
    assert (key, severity) == ("HealthCheck default/c", "warning")
    assert message.startswith("HealthCheck default/b is for the same endpoints")


def limit(name: str, spec: str) -> str:
    head = "apiVersion: mesh-labs.io/v1alpha1\nkind: LocalRateLimit\n"
    bucket = "{tokenBucket: {maxTokens: 1, fillInterval: 1s}}"
    return f"{head}metadata: {{name: {name}}}\nspec: {{{spec.replace('BUCKET', bucket)}}}\n"


def test_two_limits_of_the_same_ports_are_told_apart():
    of_a = "selector: {matchLabels: {app: a}}, "
    texts = (
        limit("a", "http: BUCKET"),
        limit("b", of_a + "http: BUCKET"),
        limit("c", of_a + "tcp: BUCKET"),
        limit("d", of_a + "ports: [80, 81], http: BUCKET"),
    )
    assert found(*texts) == []
    [(key, where, severity, message)] = found(*texts, limit("e", of_a + "ports: [80, 81, 82], http: BUCKET"))
    assert (key, where, severity) == ("LocalRateLimit default/e", "spec", "warning")
    assert message.startswith("LocalRateLimit default/d is for the same ports of these workloads")


def test_rules_for_other_callers_are_not_contested(destination_rule: Make):
    rule = destination_rule("v1")
    other = destination_rule("v1", name="other")
    [(_, where, severity, message)] = found(rule, other)
    assert (where, severity) == ("spec.host", "warning")
    assert "their subsets add up" in message
    for more in ("exportTo: ['.']", "workloadSelector: {matchLabels: {app: a}}"):
        assert found(rule, f"{other.rstrip()}\n  {more}\n") == []


GATEWAY = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front, namespace: edge}
spec:
  servers:
  - port: {number: 443, name: https, protocol: HTTPS}
    hosts: ["*"]
    tls: {mode: SIMPLE, credentialName: site}
"""


def test_gateways_are_looked_for_by_name_and_namespace(virtual_service: Make):
    def bound_to(*gateways: str) -> str:
        return f"{virtual_service().rstrip()}\n  gateways: {list(gateways)}\n"

    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: site}\n"
    assert found(GATEWAY, secret, bound_to("edge/front", "mesh")) == []
    [(_, where, severity, message)] = found(GATEWAY, secret, bound_to("mesh", "front"))
    assert (where, severity) == ("spec.gateways[1]", "warning")
    assert message.startswith("missing Gateway default/front: no proxy follows it there")


def test_credentials_are_looked_for():
    [(key, where, severity, message)] = found(GATEWAY)
    assert (key, severity) == ("Gateway edge/front", "warning")
    assert where == "spec.servers[0].tls.credentialName"
    assert message == 'missing Secret "site": these hosts are not served'
