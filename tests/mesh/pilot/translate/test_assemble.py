"""Whole configurations: golden files, and properties that hold for every configuration galley lets in.

Golden files: UPDATE_GOLDEN=1 pytest tests/mesh/pilot/translate; then read the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.model.node import Node, ServicePort
from mesh.model.resources import Resources
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.translate.consistent import inconsistencies
from mesh.pilot.world import World
from mesh.proxy.route import RouteTable
from mesh.xds.codec import codec

MakeNode = Callable[..., Node]
MakeWorld = Callable[..., World]

CANARY = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - name: iphone
    match: [{headers: {user-agent: {regex: ".*iPhone.*"}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - route:
    - {destination: {host: reviews, subset: v1}, weight: 95}
    - {destination: {host: reviews, subset: v2}, weight: 5}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
"""


def small_mesh(node: MakeNode, **changes: Any) -> tuple[Node, ...]:
    return (
        node("productpage-v1", 1, **changes),
        node("reviews-v1", 2, **changes),
        node("reviews-v2", 3, **changes),
    )


def test_the_canary_as_the_process_runtime_runs_it(
    node: MakeNode, world: MakeWorld, check_golden: Callable[[str, Resources], None]
) -> None:
    nodes = small_mesh(node)
    check_golden("canary-none-python", assemble(world(nodes, CANARY), nodes[0]))


def test_the_canary_as_real_envoys_behind_iptables_run_it(
    node: MakeNode, world: MakeWorld, check_golden: Callable[[str, Resources], None]
) -> None:
    nodes = small_mesh(node, interception="REDIRECT", engine="envoy", app_address="127.0.0.1")
    check_golden("canary-redirect-envoy", assemble(world(nodes, CANARY), nodes[2]))


def test_without_configuration_everybody_reaches_everybody(
    node: MakeNode, world: MakeWorld, check_golden: Callable[[str, Resources], None]
) -> None:
    nodes = (*small_mesh(node)[:2], node("db-v1", 4, ports=(ServicePort("mysql", 3306, 3306, "TCP"),)))
    nodes = tuple(replace(one, interception="REDIRECT") for one in nodes)
    check_golden("plain-redirect-python", assemble(world(nodes), nodes[2]))


def test_a_port_that_does_not_say_what_it_speaks(
    node: MakeNode, world: MakeWorld, check_golden: Callable[[str, Resources], None]
) -> None:
    peer = node("peer-v1", 8, interception="REDIRECT", ports=(ServicePort("p2p", 7000, 7000, "AUTO"),))
    check_golden("auto-redirect-python", assemble(world((peer,)), peer))
    peer = replace(peer, engine="envoy")
    check_golden("auto-redirect-envoy", assemble(world((peer,)), peer))


# --- properties

HOSTS = st.sampled_from(
    ["reviews", "ratings", "reviews.default.svc.cluster.local", "reviews.default", "*", "*.example.com",
     "made.up", "nobody", "peer"]
)  # fmt: skip
SUBSETS = st.sampled_from(["v1", "v2", "v9"])
MATCHES = st.sampled_from(
    [
        {"uri": {"prefix": "/a"}},
        {"uri": {"regex": "/a+"}, "ignoreUriCase": True},
        {"headers": {"End-User": {"exact": "jason"}}, "withoutHeaders": {"x": {}}},
        {"sourceLabels": {"app": "reviews"}},
        {"port": 9080},
        {"gateways": ["a"]},
        {"queryParams": {"q": {"regex": "*"}}, "method": {"exact": "GET"}},
    ]
)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    rule: dict[str, Any] = {"match": draw(st.lists(MATCHES, max_size=2))}
    kind = draw(st.sampled_from(["route", "redirect", "directResponse"]))
    if kind == "redirect":
        return {**rule, "redirect": {"uri": "/moved", "redirectCode": 302}}
    if kind == "directResponse":
        return {**rule, "directResponse": {"status": 418, "body": {"string": "tea"}}}
    targets = draw(
        st.lists(st.tuples(HOSTS.filter(lambda host: "*" not in host), SUBSETS), min_size=1, max_size=3)
    )
    rule["route"] = [
        {"destination": {"host": host, "subset": subset}, "weight": draw(st.integers(1, 100))}
        for host, subset in targets
    ]
    rule["fault"] = {
        "abort": {"httpStatus": 555, "percentage": {"value": draw(st.sampled_from([0, 0.5, 100]))}}
    }
    rule["retries"] = {"attempts": draw(st.integers(0, 3)), "retryOn": draw(st.sampled_from(["", "5xx,503"]))}
    rule["timeout"] = draw(st.sampled_from(["0s", "1.5s"]))
    return rule


L4 = [{"destination": {"host": "reviews"}}]


@st.composite
def virtual_services(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "hosts": draw(st.lists(HOSTS, min_size=1, max_size=2, unique=True)),
        "gateways": draw(st.sampled_from([[], ["mesh"], ["mesh", "a"], ["a"], ["default/a", "other/b"]])),
        "http": draw(st.lists(rules(), min_size=1, max_size=3)),
        "tls": draw(st.sampled_from([[], [{"match": [{"sniHosts": ["reviews"]}], "route": L4}]])),
        "tcp": draw(st.sampled_from([[], [{"route": L4}]])),
    }


POLICIES = st.sampled_from(
    [
        {"loadBalancer": {"simple": "RANDOM"}, "tls": {"mode": "DISABLE"}},
        {"loadBalancer": {"simple": "PASSTHROUGH"}},
        {
            "tls": {"mode": "ISTIO_MUTUAL"},
            "connectionPool": {"http": {"maxRetries": 1}, "tcp": {"maxConnections": 0}},
        },
        {"portLevelSettings": [{"port": {"number": 9080}, "tls": {"mode": "SIMPLE"}}]},
        {"tls": {"mode": "MUTUAL", "clientCertificate": "/c", "privateKey": "/k", "caCertificates": "/r"}},
        {"tls": {"mode": "MUTUAL", "credentialName": "client", "sni": "a.example"}},
        {"tls": {"mode": "SIMPLE", "insecureSkipVerify": True}},
    ]
)


@st.composite
def destination_rules(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "host": draw(HOSTS),
        "trafficPolicy": draw(POLICIES),
        "subsets": [
            {"name": name, "labels": {"version": name}, "trafficPolicy": draw(POLICIES)}
            for name in draw(st.lists(SUBSETS, unique=True))
        ],
    }


@st.composite
def peer_authentications(draw: st.DrawFn) -> dict[str, Any]:
    modes = st.sampled_from(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"])
    spec: dict[str, Any] = {"mtls": {"mode": draw(modes)}}
    if draw(st.booleans()):
        spec["selector"] = {"matchLabels": {"app": draw(st.sampled_from(["reviews", "db", "peer"]))}}
        spec["portLevelMtls"] = {port: {"mode": draw(modes)} for port in ("9080", "3306", "7000")}
    return spec


SERVER_HOSTS = st.sampled_from(
    ["*", "reviews", "default/*", "./*.example.com", "made.up", "*/reviews.default"]
)


@st.composite
def servers(draw: st.DrawFn) -> dict[str, Any]:
    protocol = draw(st.sampled_from(["HTTP", "HTTPS", "TLS", "TCP"]))
    port = {
        "number": draw(st.sampled_from([80, 443])),
        "name": draw(st.sampled_from("abc")),
        "protocol": protocol,
    }
    made = {"port": port, "hosts": draw(st.lists(SERVER_HOSTS, min_size=1, max_size=2, unique=True))}
    if protocol == "HTTP" and draw(st.booleans()):
        made["tls"] = {"httpsRedirect": True}
    if protocol in ("HTTPS", "TLS"):
        mode = draw(st.sampled_from(["SIMPLE", "MUTUAL", "PASSTHROUGH", "ISTIO_MUTUAL", "AUTO_PASSTHROUGH"]))
        named = {"credentialName": draw(st.sampled_from("xy"))} if mode in ("SIMPLE", "MUTUAL") else {}
        made["tls"] = {"mode": mode, **named}
    return made


@st.composite
def gateways(draw: st.DrawFn) -> dict[str, Any]:
    """Galley wants the names of ports to differ."""
    found = {one["port"]["name"]: one for one in draw(st.lists(servers(), min_size=1, max_size=3))}
    selector = draw(st.sampled_from([{}, {"app": "router"}, {"app": "nobody"}]))
    return {"selector": selector, "servers": list(found.values())}


SPECS = {
    "Gateway": ("networking.istio.io/v1", gateways()),
    "VirtualService": ("networking.istio.io/v1", virtual_services()),
    "DestinationRule": ("networking.istio.io/v1", destination_rules()),
    "PeerAuthentication": ("security.istio.io/v1", peer_authentications()),
}


@st.composite
def objects(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(sorted(SPECS)))
    version, specs = SPECS[kind]
    namespace = draw(st.sampled_from(["default", "other", "istio-system"]))
    metadata = {"name": draw(st.sampled_from("abc")), "namespace": namespace}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": draw(specs)}


def by_identity(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Galley keeps one object a name."""
    return list({(o["kind"], o["metadata"]["namespace"], o["metadata"]["name"]): o for o in found}.values())


ASIDE = {f"{name}.default.svc.cluster.local": f"127.70.9.{at}" for at, name in enumerate(("db", "peer"), 10)}


def mixed_mesh(node: MakeNode) -> tuple[Node, ...]:
    return (
        node("productpage-v1", 1),
        node("reviews-v1", 2, interception="REDIRECT"),
        node("reviews-v2", 3, interception="REDIRECT", engine="envoy"),
        node("db-v1", 4, interception="REDIRECT", ports=(ServicePort("mysql", 3306, 3306, "TCP"),)),
        node("ratings-v1", 5, engine="envoy", ports=(ServicePort("http", 80, 9080),)),
        node("reviews-v1", 6, namespace="other"),
        node("curl", 7, service="", ports=()),
        node("peer-v1", 8, interception="REDIRECT", ports=(ServicePort("p2p", 7000, 7000, "AUTO"),)),
        node("router-v1", 10, service="", ports=(), type="router"),
        node("router-v2", 11, type="router", engine="envoy", namespace="other"),
        node("peer-v2", 9, outbound_addresses=ASIDE, ports=(ServicePort("p2p", 7000, 7000, "AUTO"),)),
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(objects(), max_size=6).map(by_identity), st.randoms(use_true_random=False))
def test_every_configuration_is_whole_and_does_not_depend_on_order(
    node: MakeNode, world: MakeWorld, as_config: Callable[[Any], Any], found: list[dict[str, Any]], order: Any
) -> None:
    nodes, shuffled = mixed_mesh(node), list(found)
    order.shuffle(shuffled)
    one = world(nodes, config=as_config(found))
    other = world(reversed(nodes), config=as_config(shuffled))
    for proxy in nodes:
        resources = assemble(one, proxy)
        assert inconsistencies(resources) == ()
        assert resources == assemble(other, proxy)
        for route in resources.routes:
            RouteTable(route)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(objects(), max_size=6).map(by_identity))
def test_every_configuration_travels_over_xds_unchanged(
    node: MakeNode, world: MakeWorld, as_config: Callable[[Any], Any], found: list[dict[str, Any]]
) -> None:
    nodes = mixed_mesh(node)
    made = world(nodes, config=as_config(found))
    for proxy in nodes:
        resources = assemble(made, proxy)
        for one in (*resources.clusters, *resources.endpoints, *resources.listeners, *resources.routes):
            assert codec.decode(codec.encode(one)) == one


@pytest.mark.parametrize("interception", ["NONE", "REDIRECT"])
def test_proxies_that_ask_for_the_same_share_the_answer(
    node: MakeNode, world: MakeWorld, interception: str
) -> None:
    nodes = small_mesh(node, interception=interception)
    made = world(nodes, CANARY)
    one, other = assemble(made, nodes[0]), assemble(made, nodes[1])
    assert one.endpoints is other.endpoints
    assert one.routes[0].virtual_hosts is other.routes[0].virtual_hosts


# --- the real Envoy


@pytest.mark.envoy
@pytest.mark.parametrize(
    ("interception", "mode", "port_mode"),
    [
        ("NONE", "PERMISSIVE", "UNSET"),
        ("REDIRECT", "PERMISSIVE", "STRICT"),
        ("REDIRECT", "STRICT", "DISABLE"),
        ("REDIRECT", "DISABLE", "PERMISSIVE"),
    ],
)
def test_a_real_envoy_accepts_it(
    node: MakeNode,
    world: MakeWorld,
    envoy_takes: Callable[[Resources], str],
    interception: str,
    mode: str,
    port_mode: str,
) -> None:
    ports = (
        ServicePort("http", 9080, 9080),
        ServicePort("tcp", 3306, 3306, "TCP"),
        ServicePort("p2p", 7000, 7000, "AUTO"),
    )
    aside = {"reviews.default.svc.cluster.local": "127.70.1.10"} if interception == "NONE" else {}
    proxy = node(interception=interception, engine="envoy", ports=ports, outbound_addresses=aside)
    text = f"""
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: x}}
spec:
  selector: {{matchLabels: {{app: reviews}}}}
  mtls: {{mode: {mode}}}
  portLevelMtls: {{9080: {{mode: {port_mode}}}, 3306: {{mode: {port_mode}}}, 7000: {{mode: {port_mode}}}}}
"""
    assert envoy_takes(assemble(world((proxy,), text), proxy)) == ""
