"""A DestinationRule's consistentHash on the routes that lead to its host."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mesh.galley.api.traffic_policy import ConsistentHash
from mesh.model.node import Node
from mesh.model.route import Forward, HashPolicy
from mesh.pilot.translate.clusters import clusters
from mesh.pilot.translate.hash_policy import hash_policy
from mesh.pilot.translate.routes import routes
from mesh.pilot.world import World

RULES = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: X-User}}}
  subsets:
  - {name: v1, labels: {version: v1}}
  - name: v2
    labels: {version: v2}
    trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, maglev: {tableSize: 211}}}}
"""
SPLIT = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  http:
  - route:
    - {destination: {host: reviews, subset: v1}, weight: 50}
    - {destination: {host: reviews, subset: v2}, weight: 50}
"""


@pytest.mark.parametrize(
    ("hashing", "expected"),
    [
        ({"httpHeaderName": "X-User"}, HashPolicy("header", "x-user")),
        ({"httpCookie": {"name": "sid", "ttl": "0s"}}, HashPolicy("cookie", "sid", "", 0.0)),
        ({"httpCookie": {"name": "sid", "path": "/p"}}, HashPolicy("cookie", "sid", "/p")),
        ({"httpQueryParameterName": "Q"}, HashPolicy("query", "Q")),
        ({"useSourceIp": True}, HashPolicy("source_ip")),
        ({"useSourceIp": False}, None),
    ],
)
def test_each_kind_of_key(hashing: dict[str, object], expected: HashPolicy | None) -> None:
    assert hash_policy(ConsistentHash.model_validate(hashing)) == expected


def forwards(world: World, node: Node) -> dict[str, Forward]:
    hosts = routes(world, node)[0].virtual_hosts
    found = {host.name: host.routes[0].action for host in hosts}
    return {name: action for name, action in found.items() if isinstance(action, Forward)}


def test_the_default_route_carries_the_hosts_key(
    world: Callable[..., World], node: Callable[..., Node]
) -> None:
    made = world((node(), node("ratings-v1", 2)), RULES)
    found = forwards(made, node())
    assert found["reviews.default.svc.cluster.local:9080"].hash_policies == (HashPolicy("header", "x-user"),)
    assert found["ratings.default.svc.cluster.local:9080"].hash_policies == ()


def test_each_destination_adds_its_key(world: Callable[..., World], node: Callable[..., Node]) -> None:
    found = forwards(world((node(),), RULES + SPLIT), node())
    assert found["reviews.default.svc.cluster.local:9080"].hash_policies == (
        HashPolicy("header", "x-user"),
        HashPolicy("source_ip"),
    )


def test_the_clusters_have_tables(world: Callable[..., World], node: Callable[..., Node]) -> None:
    made = clusters(world((node(),), RULES), node())
    found = {cluster.name.split("|")[2]: cluster for cluster in made if cluster.name.startswith("outbound")}
    assert [(found[name].lb_policy, found[name].hash_table_size) for name in ("", "v1", "v2")] == [
        ("RING_HASH", 1024),
        ("RING_HASH", 1024),
        ("MAGLEV", 211),
    ]
