"""Near and far: priorities by region, zone and sub-zone, by failover and by labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mesh.galley.api.traffic_policy import TrafficPolicy
from mesh.model.endpoint import Endpoint, Locality
from mesh.model.node import Node
from mesh.pilot.translate.destination_rule import Policy
from mesh.pilot.translate.locality import by_locality, locality_of

OUTLIER: dict[str, Any] = {"outlierDetection": {}}


def policy(**fields: Any) -> Policy:
    made = TrafficPolicy.model_validate(fields)
    return Policy(load_balancer=made.load_balancer, outlier_detection=made.outlier_detection)


def priorities(node: Callable[..., Node], client: str, places: list[str], made: Policy) -> list[int]:
    """The priority of an endpoint in each place."""
    here = node("web-v1", 1, labels={"istio-locality": client})
    found = [
        (node("r-v1", number, labels={"istio-locality": place}), Endpoint("127.0.0.1", number))
        for number, place in enumerate(places, 2)
    ]
    groups = by_locality(here, made, found)
    ranks = {endpoint.port: group.priority for group in groups for endpoint in group.endpoints}
    return [ranks[number] for number, _ in enumerate(places, 2)]


def test_the_labels_say_where() -> None:
    labels = {"topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": "a"}
    assert locality_of(labels) == Locality("eu", "a", "")
    assert locality_of({**labels, "istio-locality": "us.b.c"}) == Locality("us", "b", "c")


def test_the_nearer_the_earlier_and_no_gaps(node: Callable[..., Node]) -> None:
    places = ["us.x.1", "eu.a.1", "eu.b.1", "eu.a.2"]
    assert priorities(node, "eu.a.1", places, policy(**OUTLIER)) == [3, 0, 2, 1]
    assert priorities(node, "eu.c.1", places, policy(**OUTLIER)) == [1, 0, 0, 0]


@pytest.mark.parametrize(
    "made",
    [policy(), policy(**OUTLIER, loadBalancer={"localityLbSetting": {"enabled": False}})],
    ids=["no outlier detection", "switched off"],
)
def test_all_are_alike(node: Callable[..., Node], made: Policy) -> None:
    assert priorities(node, "eu.a.1", ["us.x.1", "eu.a.1"], made) == [0, 0]


def test_a_client_without_a_region_knows_no_distance(node: Callable[..., Node]) -> None:
    assert priorities(node, "", ["us.x.1", "eu.a.1"], policy(**OUTLIER)) == [0, 0]


def test_failover_names_the_region_to_go_to_first(node: Callable[..., Node]) -> None:
    setting = {"localityLbSetting": {"failover": [{"from": "eu", "to": "asia"}]}}
    made = policy(**OUTLIER, loadBalancer=setting)
    assert priorities(node, "eu.a.1", ["us.x.1", "eu.a.1", "asia.x.1"], made) == [2, 0, 1]


def test_failover_priority_goes_by_labels(node: Callable[..., Node]) -> None:
    setting = {"localityLbSetting": {"failoverPriority": ["rack", "version=v2"]}}
    made = policy(**OUTLIER, loadBalancer=setting)
    here = node("web-v1", 1, labels={"rack": "r1"})
    labels = [{"rack": "r1", "version": "v2"}, {"rack": "r1"}, {"rack": "r2", "version": "v2"}]
    found = [
        (node("r-v1", number, labels=one), Endpoint("127.0.0.1", number))
        for number, one in enumerate(labels, 2)
    ]
    groups = by_locality(here, made, found)
    assert [(group.priority, group.endpoints[0].port) for group in groups] == [(0, 2), (1, 3), (2, 4)]
