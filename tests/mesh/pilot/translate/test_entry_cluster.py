"""ServiceEntries and the outbound traffic policy, as both engines get them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mesh.model.listener import TcpProxy
from mesh.model.names import PLAINTEXT_HTTP
from mesh.model.node import Node
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.translate.consistent import inconsistencies
from mesh.pilot.world import World
from mesh.xds.codec.codec import decode, encode

MakeNode = Callable[..., Node]
MakeWorld = Callable[..., World]
HEAD = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: %s, namespace: default}
"""
WEB = "ports: [{number: 80, name: http, protocol: HTTP}]"
DNS = HEAD % "dns" + f"spec: {{hosts: [dns.example.com], resolution: DNS, {WEB}}}\n"
NONE = HEAD % "none" + f"spec: {{hosts: [none.example.com], resolution: NONE, {WEB}}}\n"
STATIC = (
    HEAD % "static"
    + """
spec:
  hosts: [static.example.com]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: 127.0.0.2, ports: {http: 8080}, locality: eu/a, weight: 3, labels: {version: v1}}
  - {address: 127.0.0.3, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: static, namespace: default}
spec: {host: static.example.com, subsets: [{name: v2, labels: {version: v2}}]}
"""
)
TLS = (
    HEAD % "tls"
    + """
spec:
  hosts: [one.example.com, "*.two.example.com"]
  resolution: NONE
  ports: [{number: 443, name: https, protocol: HTTPS}]
"""
)
ALL = "---".join((DNS, NONE, STATIC, TLS))


def clusters(world: World, node: Node) -> dict[str, Any]:
    return {one.name: one for one in assemble(world, node).clusters}


def test_each_resolution_has_its_kind_of_cluster(world: MakeWorld, node: MakeNode) -> None:
    web = node(interception="REDIRECT")
    found = clusters(world((web,), ALL), web)
    kinds = {host: found[f"outbound|80||{host}.example.com"].discovery for host in ("dns", "none", "static")}
    assert kinds == {"dns": "STRICT_DNS", "none": "ORIGINAL_DST", "static": "EDS"}
    assert all(found[name].tls is None for name in found if name.endswith("example.com"))
    (group,) = found["outbound|80||dns.example.com"].load_assignment.localities
    assert [(one.address, one.port) for one in group.endpoints] == [("dns.example.com", 80)]


def test_round_robin_of_names_is_one_endpoint(world: MakeWorld, node: MakeNode) -> None:
    web = node()
    subset = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: dns, namespace: default}
spec: {host: dns.example.com, subsets: [{name: v1, labels: {version: v1}}]}
"""
    found = clusters(
        world((web,), DNS.replace("resolution: DNS", "resolution: DNS_ROUND_ROBIN") + subset), web
    )
    whole, part = found["outbound|80||dns.example.com"], found["outbound|80|v1|dns.example.com"]
    assert (whole.discovery, part.discovery) == ("LOGICAL_DNS", "STRICT_DNS")
    [group] = whole.load_assignment.localities
    assert [(one.address, one.port) for one in group.endpoints] == [("dns.example.com", 80)]
    assert part.load_assignment.localities == ()


def test_without_interception_a_host_of_no_resolution_is_looked_up(world: MakeWorld, node: MakeNode) -> None:
    web = node()
    found = clusters(world((web,), NONE), web)["outbound|80||none.example.com"]
    assert found.discovery == "STRICT_DNS"


def test_listed_endpoints_have_their_ports_localities_and_subsets(world: MakeWorld, node: MakeNode) -> None:
    web = node()
    sent = {one.cluster_name: one for one in assemble(world((web,), STATIC), web).endpoints}
    groups = sent["outbound|80||static.example.com"].localities
    found = [
        (one.address, one.port, one.weight, group.locality.region)
        for group in groups
        for one in group.endpoints
    ]
    assert found == [("127.0.0.3", 80, 1, ""), ("127.0.0.2", 8080, 3, "eu")]
    (group,) = sent["outbound|80|v2|static.example.com"].localities
    assert [one.address for one in group.endpoints] == ["127.0.0.3"]


def test_an_endpoint_that_says_istio_is_spoken_mtls_to(world: MakeWorld, node: MakeNode) -> None:
    web = node()
    labels = "labels: {security.istio.io/tlsMode: istio, version: v1}"
    found = clusters(world((web,), STATIC.replace("labels: {version: v1}", labels)), web)
    assert found["outbound|80||static.example.com"].tls_by_endpoint


def test_requests_reach_the_entry_by_its_host(world: MakeWorld, node: MakeNode, simulate: Any) -> None:
    web = node()
    assert simulate(world((web,), ALL), web, "dns.example.com/").cluster == "outbound|80||dns.example.com"


def test_tls_hosts_are_told_apart_by_sni(world: MakeWorld, node: MakeNode) -> None:
    web = node(interception="REDIRECT")
    (listener,) = [one for one in assemble(world((web,), TLS), web).listeners if one.name == "0.0.0.0_443"]
    assert listener.inspect_tls
    taken = {chain.match.server_names: chain.network_filter.cluster for chain in listener.filter_chains}
    assert taken == {(host,): f"outbound|443||{host}" for host in ("one.example.com", "*.two.example.com")}


RANGES = (
    HEAD % "ranges"
    + """
spec:
  hosts: [db.example.com]
  addresses: [10.1.2.3/16, 10.9.9.9]
  resolution: NONE
  ports: [{number: 3306, name: mysql}, {number: 80, name: tcp-admin}, {number: 443, name: tls}]
"""
)
NARROW = (
    HEAD % "narrow"
    + """
spec:
  hosts: [near.example.com]
  addresses: [10.1.0.0/16, 10.1.2.0/24]
  resolution: NONE
  ports: [{number: 3306, name: mysql}]
"""
)


def by_range(world: World, node: Node, name: str) -> dict[tuple[str, ...], str]:
    """What each chain of a listener takes, and where to."""
    [listener] = [one for one in assemble(world, node).listeners if one.name == name]
    return {
        (*chain.match.destination_ranges, *chain.match.server_names): getattr(
            chain.network_filter, "cluster", "http"
        )
        for chain in listener.filter_chains
    }


def test_ranges_of_addresses_are_told_apart_by_where_it_was_going(world: MakeWorld, node: MakeNode) -> None:
    web = node(interception="REDIRECT")
    made = world((web,), "---".join((RANGES, NARROW, TLS, DNS)))
    assert by_range(made, web, "0.0.0.0_3306") == {
        ("10.1.0.0/16",): "outbound|3306||db.example.com",
        ("10.1.2.0/24",): "outbound|3306||near.example.com",
    }
    assert by_range(made, web, "10.9.9.9_3306") == {(): "outbound|3306||db.example.com"}
    assert by_range(made, web, "0.0.0.0_443") == {
        ("10.1.0.0/16",): "outbound|443||db.example.com",
        ("one.example.com",): "outbound|443||one.example.com",
        ("*.two.example.com",): "outbound|443||*.two.example.com",
    }
    assert by_range(made, web, "0.0.0.0_80") == {
        ("10.1.0.0/16",): "outbound|80||db.example.com",
        (): "http",
    }
    rest = next(one for one in assemble(made, web).listeners if one.name == "0.0.0.0_3306")
    assert rest.default_filter_chain is not None
    assert rest.default_filter_chain.network_filter.cluster == "PassthroughCluster"
    assert not rest.inspect_tls


def test_within_a_range_a_port_that_does_not_say_is_told_by_its_first_bytes(
    world: MakeWorld, node: MakeNode
) -> None:
    web = node(interception="REDIRECT")
    text = NARROW.replace("name: mysql", "name: any") + "---" + RANGES
    found = assemble(world((web,), text.replace("3306", "5000")), web)
    [listener] = [one for one in found.listeners if one.name == "0.0.0.0_5000"]
    assert listener.inspect_http
    taken = [
        (*chain.match.destination_ranges, chain.match.transport_protocol, *chain.match.application_protocols)
        for chain in listener.filter_chains
    ]
    assert taken == [
        ("10.1.0.0/16", ""),
        ("10.1.2.0/24", "raw_buffer", *PLAINTEXT_HTTP),
        ("10.1.2.0/24", "raw_buffer"),
        ("10.1.2.0/24", ""),
    ]
    http = listener.filter_chains[1].network_filter
    assert http.route_config_name in {one.name for one in found.routes}
    assert inconsistencies(found) == ()


def test_sni_rules_hold_within_a_range(world: MakeWorld, node: MakeNode) -> None:
    web = node(interception="REDIRECT")
    rule = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ranges, namespace: default}
spec:
  hosts: [db.example.com]
  tls: [{match: [{sniHosts: [a.b]}], route: [{destination: {host: near.example.com, port: {number: 3306}}}]}]
"""
    made = world((web,), f"{RANGES}---{NARROW}{rule}")
    assert by_range(made, web, "0.0.0.0_443") == {
        ("10.1.0.0/16", "a.b"): "outbound|3306||near.example.com",
        ("10.1.0.0/16",): "outbound|443||db.example.com",
    }


@pytest.mark.parametrize(
    ("registry_only", "cluster", "route"),
    [(False, "PassthroughCluster", "allow_any"), (True, "BlackHoleCluster", "block_all")],
)
def test_unknown_hosts_follow_the_outbound_traffic_policy(
    world: MakeWorld, node: MakeNode, simulate: Any, registry_only: bool, cluster: str, route: str
) -> None:
    web = node(interception="REDIRECT")
    made = world((web,), ALL, registry_only=registry_only)
    listeners = {one.name: one for one in assemble(made, web).listeners}
    for name in ("virtualOutbound", "0.0.0.0_443"):
        chain = listeners[name].default_filter_chain
        assert chain is not None
        assert isinstance(chain.network_filter, TcpProxy)
        assert chain.network_filter.cluster == cluster
    assert simulate(made, web, "unknown.example.com/").route == route


@pytest.mark.envoy
@pytest.mark.parametrize("engine", ["python", "envoy"])
@pytest.mark.parametrize("interception", ["NONE", "REDIRECT"])
def test_both_engines_take_it(
    world: MakeWorld, node: MakeNode, envoy_takes: Callable[..., str], engine: str, interception: str
) -> None:
    web = node(engine=engine, interception=interception)
    resources = assemble(world((web,), "---".join((ALL, RANGES, NARROW))), web)
    assert inconsistencies(resources) == ()
    for one in (*resources.clusters, *resources.listeners):
        assert decode(encode(one)) == one
    if engine == "envoy":
        assert envoy_takes(resources) == ""
