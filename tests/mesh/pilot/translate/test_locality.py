"""Near and far: priorities by region, zone and sub-zone, by failover and by labels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mesh.galley.api.traffic_policy import TrafficPolicy
from mesh.model.endpoint import Endpoint, Locality
from mesh.model.node import Node
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.translate.destination_rule import Policy
from mesh.pilot.translate.locality import Placed, by_locality, is_relative, locality_of, setting_of
from mesh.pilot.world import World

OUTLIER: dict[str, Any] = {"outlierDetection": {}}


def policy(**fields: Any) -> Policy:
    made = TrafficPolicy.model_validate(fields)
    return Policy(load_balancer=made.load_balancer, outlier_detection=made.outlier_detection)


def placed(labels: dict[str, str], port: int, weight: int = 1) -> Placed:
    return Placed(Endpoint("127.0.0.1", port, weight=weight), locality_of(labels), labels)


def priorities(node: Callable[..., Node], client: str, places: list[str], made: Policy) -> list[int]:
    """The priority of an endpoint in each place."""
    here = node("web-v1", 1, labels={"istio-locality": client})
    found = [placed({"istio-locality": place}, number) for number, place in enumerate(places, 2)]
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
    found = [placed(one, number) for number, one in enumerate(labels, 2)]
    groups = by_locality(here, made, found)
    assert [(group.priority, group.endpoints[0].port) for group in groups] == [(0, 2), (1, 3), (2, 4)]


def shares(node: Callable[..., Node], client: str, rules: list[dict[str, Any]]) -> dict[str, int]:
    """The weight of each place that takes traffic, as ``distribute`` wants it of a client."""
    here = node("web-v1", 1, labels={"istio-locality": client})
    places = ["eu.a.1", "eu.a.2", "eu.b.1", "us.a.1"]
    found = [placed({"istio-locality": place}, number, number) for number, place in enumerate(places, 1)]
    made = policy(loadBalancer={"localityLbSetting": {"distribute": rules}})
    groups = by_locality(here, made, found)
    assert {group.priority for group in groups} <= {0}
    return {
        ".".join((one.locality.region, one.locality.zone, one.locality.sub_zone)): one.weight
        for one in groups
    }


def test_distribute_weighs_places_and_leaves_out_the_others(node: Callable[..., Node]) -> None:
    rules = [{"from": "eu/a/*", "to": {"eu/a/*": 80, "eu/b": 20}}]
    # the two sub-zones of eu/a share 80 by their endpoints' weights, 1 and 2, rounded up as Istio does
    assert shares(node, "eu.a.1", rules) == {"eu.a.1": 27, "eu.a.2": 54, "eu.b.1": 20}


def test_the_first_rule_that_is_about_the_client_counts(node: Callable[..., Node]) -> None:
    rules = [{"from": "us", "to": {"us": 100}}, {"from": "*", "to": {"eu/b/1": 100}}]
    assert shares(node, "us.a.1", rules) == {"us.a.1": 100}
    assert shares(node, "eu.a.1", rules) == {"eu.b.1": 100}


def test_without_a_rule_for_the_client_all_take_their_part(node: Callable[..., Node]) -> None:
    rules = [{"from": "us", "to": {"us": 100}}]
    assert shares(node, "eu.a.1", rules) == {"eu.a.1": 1, "eu.a.2": 2, "eu.b.1": 3, "us.a.1": 4}


def test_istio_weighs_localities_unless_that_is_switched_off() -> None:
    assert setting_of(policy()) is not None
    assert setting_of(policy(loadBalancer={"localityLbSetting": {"enabled": False}})) is None
    distribute = {"distribute": [{"from": "a", "to": {"a": 100}}]}
    assert is_relative(policy(loadBalancer={"localityLbSetting": distribute}))
    off = {"localityLbSetting": {"enabled": False, **distribute}}
    assert not is_relative(policy(loadBalancer=off))


ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db}
spec:
  hosts: [db.example.com]
  ports: [{number: 80, name: http}]
  resolution: RESOLUTION
  endpoints:
  - {address: 10.0.0.1, locality: us/a}
  - {address: 10.0.0.2, locality: eu/a, weight: 3}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db}
spec: {host: db.example.com, trafficPolicy: {outlierDetection: {}}}
"""


@pytest.mark.parametrize("resolution", ["STATIC", "DNS"])
def test_endpoints_of_a_service_entry_are_near_or_far_too(
    world: Callable[..., World], node: Callable[..., Node], resolution: str
) -> None:
    made = world((node(),), ENTRY.replace("RESOLUTION", resolution))
    for place, order in (("eu.a.1", ["10.0.0.2", "10.0.0.1"]), ("us.a.1", ["10.0.0.1", "10.0.0.2"])):
        client = node("web-v1", 1, labels={"istio-locality": place})
        resources = assemble(made, client)
        (cluster,) = (one for one in resources.clusters if one.host == "db.example.com")
        sent = (one for one in resources.endpoints if one.cluster_name == cluster.name)
        assignment = cluster.load_assignment or next(sent)
        assert [(one.endpoints[0].address, one.priority) for one in assignment.localities] == [
            (address, rank) for rank, address in enumerate(order)
        ]
        assert {one.weight for one in assignment.localities} == {1, 3}
        assert cluster.locality_weighted
