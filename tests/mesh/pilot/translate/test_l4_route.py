"""VirtualServices' tcp and tls rules, as a sidecar behind iptables carries them out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mesh.model.listener import FilterChain, Listener, TcpProxy
from mesh.model.node import Node, ServicePort
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.translate.outbound import outbound_listeners
from mesh.pilot.world import World
from mesh.xds.codec.codec import decode, encode

MakeNode = Callable[..., Node]
MakeWorld = Callable[..., World]
MYSQL = (ServicePort("mysql", 3306, 3306, "TCP"),)
SECURE = (ServicePort("tls", 8443, 8443, "TLS"),)
HEAD = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: %s, namespace: default}
"""
CANARY = (
    HEAD % "db"
    + """
spec:
  hosts: [db]
  tcp:
  - match: [{port: 3306, sourceLabels: {app: web}}]
    route:
    - {destination: {host: db, subset: v1}, weight: 80}
    - {destination: {host: db, subset: v2}, weight: 20}
    - {destination: {host: db, subset: v3}, weight: 0}
  - route: [{destination: {host: db, subset: v1}}]
"""
)
SNI = (
    HEAD % "sni"
    + """
spec:
  hosts: [%s]
  tls:
  - match: [{port: %d, sniHosts: [A.example.com]}]
    route: [{destination: {host: db, port: {number: 8443}}}]
"""
)
ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: tls, namespace: default}
spec:
  hosts: [a.example.com, b.example.com]
  resolution: NONE
  ports: [{number: 443, name: tls, protocol: TLS}]
"""


def listener_of(world: World, node: Node, name: str) -> Listener:
    return next(one for one in outbound_listeners(world, node) if one.name == name)


def proxy_of(chain: FilterChain) -> TcpProxy:
    assert isinstance(chain.network_filter, TcpProxy)
    return chain.network_filter


def clusters_by_sni(listener: Listener) -> dict[tuple[str, ...], str]:
    return {chain.match.server_names: proxy_of(chain).cluster for chain in listener.filter_chains}


def cluster(port: int, subset: str, host: str = "db.default.svc.cluster.local") -> str:
    return f"outbound|{port}|{subset}|{host}"


def test_weights_are_for_the_callers_the_rule_is_about(world: MakeWorld, node: MakeNode) -> None:
    web, other = (node(f"{app}-v1", n, interception="REDIRECT") for n, app in ((1, "web"), (2, "other")))
    made = world((web, other, node("db-v1", 3, ports=MYSQL)), CANARY)
    (chain,) = listener_of(made, web, "127.70.3.2_3306").filter_chains
    assert proxy_of(chain).weighted_clusters == ((cluster(3306, "v1"), 80), (cluster(3306, "v2"), 20))
    (chain,) = listener_of(made, other, "127.70.3.2_3306").filter_chains
    assert proxy_of(chain).cluster == cluster(3306, "v1")


def test_subnets_are_not_served_and_match_nothing(world: MakeWorld, node: MakeNode) -> None:
    web = node(interception="REDIRECT")
    text = CANARY.replace("port: 3306, sourceLabels: {app: web}", "destinationSubnets: [10.0.0.0/8]")
    (chain,) = listener_of(
        world((web, node("db-v1", 3, ports=MYSQL)), text), web, "127.70.3.2_3306"
    ).filter_chains
    assert proxy_of(chain).cluster == cluster(3306, "v1")


def test_sni_chooses_on_a_tls_port_and_the_rest_goes_to_the_service(world: MakeWorld, node: MakeNode) -> None:
    web, db = node(interception="REDIRECT"), node("db-v1", 2, ports=SECURE)
    front = node("front-v1", 3, ports=SECURE)
    listener = listener_of(world((web, db, front), SNI % ("front", 8443)), web, "127.70.3.2_8443")
    assert listener.inspect_tls
    assert clusters_by_sni(listener) == {
        ("a.example.com",): cluster(8443, ""),
        (): cluster(8443, "", "front.default.svc.cluster.local"),
    }


def test_rules_for_a_host_outside_come_before_the_host_itself(world: MakeWorld, node: MakeNode) -> None:
    web, db = node(interception="REDIRECT"), node("db-v1", 2, ports=SECURE)
    made = world((web, db), f"{ENTRY}---{SNI % ('a.example.com', 443)}")
    assert clusters_by_sni(listener_of(made, web, "0.0.0.0_443")) == {
        ("a.example.com",): cluster(8443, ""),
        ("b.example.com",): cluster(443, "", "b.example.com"),
    }


@pytest.mark.envoy
def test_a_real_envoy_takes_them(world: MakeWorld, node: MakeNode, envoy_takes: Callable[..., str]) -> None:
    web = node("web-v1", 1, interception="REDIRECT", engine="envoy")
    db = node("db-v1", 2, ports=(*MYSQL, *SECURE))
    text = "---".join((CANARY, ENTRY, SNI % ("db, a.example.com", 8443)))
    resources = assemble(world((web, db), text), web)
    for one in resources.listeners:
        assert decode(encode(one)) == one
    assert envoy_takes(resources) == ""
