"""Which HealthCheck is in force for a cluster, and what it says there."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mesh.model.health_check import GrpcHealthCheck, HealthCheck, HttpHealthCheck, TcpHealthCheck
from mesh.model.node import Node, ServicePort
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.world import World

MakeNode = Callable[..., Node]
MakeWorld = Callable[..., World]
REVIEWS = "reviews.default.svc.cluster.local"
SUBSETS = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}]}
"""


def check(spec: str, name: str = "a", namespace: str = "default") -> str:
    return f"""
---
apiVersion: mesh-labs.io/v1alpha1
kind: HealthCheck
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"""


def found(world: World, node: Node, port: int = 9080, subset: str = "", host: str = REVIEWS):
    name = f"outbound|{port}|{subset}|{host}"
    return next(one for one in assemble(world, node).clusters if one.name == name).health_check


def path(world: World, node: Node, **where: object) -> str:
    rules = found(world, node, **where)
    return "" if rules is None else rules.check.path


def test_field_by_field(world: MakeWorld, node: MakeNode) -> None:
    made = world(
        (node(),),
        check(
            """{host: reviews, timeout: 2s, interval: 3s, unhealthyThreshold: 4, healthyThreshold: 5,
            noTrafficInterval: 6s, noTrafficHealthyInterval: 7s, unhealthyInterval: 8s,
            unhealthyEdgeInterval: 9s, healthyEdgeInterval: 10s, initialJitter: 11s, intervalJitter: 12s,
            intervalJitterPercent: 13, reuseConnection: false,
            http: {path: /h, host: x, method: POST, headers: {X-A: b}, expectedStatuses: [200-299, 404],
            retriableStatuses: [503], receive: [a, b]}}"""
        ),
    )
    assert found(made, node()) == HealthCheck(
        HttpHealthCheck(
            "/h", "x", "POST", (("x-a", "b"),), ((200, 300), (404, 405)), ((503, 504),), (b"a", b"b")
        ),
        *(2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13),
        reuse_connection=False,
    )


def test_what_is_left_out_is_the_service(world: MakeWorld, node: MakeNode) -> None:
    http = found(world((node(),), check("{host: reviews, http: {path: /h}}")), node())
    assert http.check == HttpHealthCheck("/h", REVIEWS)
    tcp = found(world((node(),), check("{host: reviews, tcp: {send: a, receive: [b]}}")), node())
    assert tcp.check == TcpHealthCheck(b"a", (b"b",))


@pytest.mark.parametrize(("protocol", "http2"), [("http", False), ("http2", True), ("grpc", True)])
def test_the_check_speaks_what_the_port_speaks(
    world: MakeWorld, node: MakeNode, protocol: str, http2: bool
) -> None:
    web = node(ports=(ServicePort(protocol, 9080, 9080, protocol.upper()),))
    http = found(world((web,), check("{host: reviews, http: {path: /h}}")), web)
    assert http.check.http2 is http2
    grpc = found(world((web,), check("{host: reviews, grpc: {serviceName: a.B}}")), web)
    if http2:
        assert grpc.check == GrpcHealthCheck("a.B", REVIEWS)
    else:
        assert grpc is None, "gRPC is HTTP/2"


def test_ports_and_subsets_narrow_it_down(world: MakeWorld, node: MakeNode) -> None:
    web = node(ports=(ServicePort("http", 80, 80), ServicePort("http-b", 81, 81)))
    made = world(
        (web,),
        SUBSETS
        + check("{host: reviews, http: {path: /all}}", "a")
        + check("{host: reviews, ports: [81], http: {path: /81}}", "b")
        + check("{host: reviews, subset: v1, http: {path: /v1}}", "c"),
    )
    paths = {
        (port, subset): path(made, web, port=port, subset=subset)
        for port in (80, 81)
        for subset in ("", "v1")
    }
    assert paths == {(80, ""): "/all", (81, ""): "/81", (80, "v1"): "/v1", (81, "v1"): "/v1"}


def test_the_callers_namespace_goes_first_and_the_narrower_host(world: MakeWorld, node: MakeNode) -> None:
    text = (
        check("{host: '*.local', http: {path: /wide}}", "w")
        + check("{host: reviews, http: {path: /own}}", "r")
        + check(f"{{host: {REVIEWS}, http: {{path: /other}}}}", "r", "other")
    )
    made = world((node(),), text)
    assert path(made, node()) == "/own"
    assert path(made, node("web-v1", 2, namespace="other")) == "/other"


def test_hosts_without_known_endpoints_are_not_checked(world: MakeWorld, node: MakeNode) -> None:
    entry = """
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: out}
spec: {hosts: [a.example.com], ports: [{number: 80, name: http}], resolution: RESOLUTION}
"""
    text = check("{host: a.example.com, http: {path: /}}")
    web = node(interception="REDIRECT")
    for resolution, checked in (("NONE", False), ("DNS", True)):
        made = world((web,), entry.replace("RESOLUTION", resolution) + text)
        rules = found(made, web, 80, host="a.example.com")
        assert (rules is not None) is checked


def test_a_port_that_does_not_say_is_told_that_a_check_is_a_request(world: MakeWorld, node: MakeNode) -> None:
    web = node(ports=(ServicePort("any", 80, 80, "AUTO"), ServicePort("http", 81, 81)))
    for spec, said in (("http: {path: /}", ("istio-http/1.1", "istio", "http/1.1")), ("tcp: {}", ())):
        made = world((web,), check(f"{{host: reviews, {spec}}}"))
        assert [found(made, web, port).alpn for port in (80, 81)] == [said, ()]


def test_discovery_decides_who_is_there_unless_the_user_wants_it_otherwise(
    world: MakeWorld, node: MakeNode
) -> None:
    for said, ignoring in (("", True), ("ignoreHealthOnHostRemoval: false, ", False)):
        made = world((node(),), check(f"{{host: reviews, {said}tcp: {{}}}}"))
        clusters = {one.name: one for one in assemble(made, node()).clusters}
        assert clusters[f"outbound|9080||{REVIEWS}"].ignore_health_on_host_removal is ignoring


@pytest.mark.envoy
def test_envoy_takes_all_of_it(world: MakeWorld, node: MakeNode, envoy_takes: Callable[..., str]) -> None:
    web = node(
        ports=(
            ServicePort("grpc", 9080, 9080, "GRPC"),
            ServicePort("tcp", 81, 81, "TCP"),
            ServicePort("any", 82, 82, "AUTO"),
        ),
        engine="envoy",
    )
    text = (
        check("{host: reviews, ports: [9080], grpc: {}}")
        + check("{host: reviews, ports: [81], tcp: {}}", "b")
        + check("{host: reviews, ports: [82], http: {path: /}}", "c")
    )
    assert envoy_takes(assemble(world((web,), text), web)) == ""
