"""Levels, localities, endpoints: who takes which share, in our balancer and in the real Envoy.

Shares are counted over many requests and compared with what Envoy's rules make of them, worked out by hand.
"""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, Locality, LocalityEndpoints
from mesh.model.route import HashPolicy, Route, RouteMatch
from mesh.proxy.load_balancer import Group, LoadBalancer, Policy

SICK = "UNHEALTHY"


class Host:
    def __init__(self, text: str, healthy: bool = True, weight: int = 1, excluded: bool = False) -> None:
        self.text, self.weight, self.active = text, weight, 0
        self.is_healthy, self.is_excluded = healthy, excluded


def group(*hosts: Host, priority: int = 0, weight: int = 1) -> Group[Host]:
    return Group(priority, weight, list(hosts))


def balancer(*groups: Group[Host], counted: list[int] | None = None, **policy: object) -> LoadBalancer[Host]:
    seen = counted if counted is not None else []
    said = {"lb_policy": "ROUND_ROBIN", **policy}
    return LoadBalancer(groups, Policy(**said), Random(1), lambda: seen.append(1))


def test_nobody_to_pick_from_is_none():
    for policy in ("ROUND_ROBIN", "MAGLEV"):
        empty = balancer(lb_policy=policy)
        assert (empty.next, empty.find) == (None, None)
        sick = balancer(group(Host("a", healthy=False)), lb_policy=policy)
        assert (sick.next, sick.find) == (None, None)


def test_in_panic_the_sick_are_asked_too_and_each_time_it_is_counted():
    counted: list[int] = []
    made = balancer(
        group(Host("a"), Host("b", healthy=False), Host("c", healthy=False)),
        counted=counted,
        panic_threshold=50,
    )
    assert made.next is not None
    assert {made.next().text for _ in range(3)} == {"a", "b", "c"}
    assert len(counted) == 3


def test_who_is_excluded_does_not_make_a_level_sick():
    new = [Host(f"n{number}", healthy=False, excluded=True) for number in range(9)]
    made = balancer(group(Host("a"), *new), group(Host("far"), priority=1), panic_threshold=50)
    assert made.next is not None
    assert {made.next().text for _ in range(20)} == {"a"}


def test_a_locality_without_weight_takes_part_where_no_other_can():
    nothing, some = group(Host("a"), weight=0), group(Host("b", healthy=False), weight=5)
    made = balancer(nothing, some, locality_weighted=True)
    assert made.next is not None
    assert made.next().text == "a"
    hashed = balancer(nothing, some, locality_weighted=True, lb_policy="RING_HASH")
    assert hashed.find is not None
    assert hashed.find(7, 0) is None, "a ring has no places for it, as in Envoy"


def test_elsewhere_avoids_levels_and_is_none_when_the_others_are_sick():
    made = balancer(group(Host("a")), group(Host("b"), priority=1), group(Host("c", False), priority=2))
    assert made.elsewhere({0})().text == "b"
    assert made.elsewhere({1})().text == "a"
    assert made.elsewhere({0, 1}) is None


def test_elsewhere_knows_levels_by_number_even_with_gaps():
    made = balancer(group(Host("a"), priority=3), group(Host("b"), priority=7))
    assert made.elsewhere({3})().text == "b"


# (locality weight, priority, endpoints as (weight, healthy)) -> per cent of each endpoint
Shape = tuple[tuple[int, int, tuple[tuple[int, bool], ...]], ...]
WELL, ILL = (1, True), (1, False)
SHARES: dict[str, tuple[dict[str, object], Shape, list[float]]] = {
    "round robin by weight": (
        {"lb_policy": "ROUND_ROBIN"},
        ((1, 0, ((1, True), (2, True), (5, True))),),
        [12.5, 25, 62.5],
    ),
    "least request by weight, one request at a time": (
        {"lb_policy": "LEAST_REQUEST"},
        ((1, 0, ((1, True), (3, True))),),
        [25, 75],
    ),
    "random knows no weights": (
        {"lb_policy": "RANDOM"},
        ((1, 0, ((1, True), (4, True))),),
        [50, 50],
    ),
    "a level that is half well leaves a part to the next": (
        {"lb_policy": "RANDOM"},
        ((1, 0, (WELL, ILL)), (1, 1, (WELL,))),
        [70, 0, 30],
    ),
    "no panic while the levels together are whole": (
        {"lb_policy": "ROUND_ROBIN", "panic_threshold": 50},
        ((1, 0, (WELL, ILL, ILL, ILL)), (1, 1, (WELL, WELL, WELL, WELL))),
        [35, 0, 0, 0, 16.25, 16.25, 16.25, 16.25],
    ),
    "panic in one level": (
        {"lb_policy": "RANDOM", "panic_threshold": 40},
        ((1, 0, (WELL, ILL, ILL, ILL)), (1, 1, (WELL, WELL, ILL, ILL, ILL))),
        [9.75, 9.75, 9.75, 9.75, 30.5, 30.5, 0, 0, 0],
    ),
    "panic everywhere": (
        {"lb_policy": "RANDOM", "panic_threshold": 50},
        ((1, 0, (WELL, ILL, ILL)), (1, 1, (ILL,))),
        [25, 25, 25, 25],
    ),
    "localities by weight, as far as they are well": (
        {"lb_policy": "ROUND_ROBIN", "locality_weighted": True},
        ((1, 0, (WELL, WELL)), (3, 0, (WELL, ILL))),
        [100 / 3.1 / 2, 100 / 3.1 / 2, 210 / 3.1, 0],
    ),
    "localities by weight, least request": (
        {"lb_policy": "LEAST_REQUEST", "locality_weighted": True},
        ((8, 0, (WELL,)), (2, 0, (WELL,))),
        [80, 20],
    ),
    "in panic localities have no weight": (
        {"lb_policy": "RANDOM", "locality_weighted": True, "panic_threshold": 60},
        ((1, 0, (ILL, ILL)), (9, 0, (WELL, ILL))),
        [25, 25, 25, 25],
    ),
    "without locality weights they mean nothing": (
        {"lb_policy": "RANDOM"},
        ((1, 0, (WELL,)), (9, 0, (WELL,))),
        [50, 50],
    ),
}
REQUESTS = 2000


def cluster_of(shape: Shape, ports: list[int], **options: object) -> Cluster:
    left = iter(ports)
    groups = tuple(
        LocalityEndpoints(
            tuple(
                Endpoint("127.0.0.1", next(left), weight=each, health="HEALTHY" if healthy else SICK)
                for each, healthy in endpoints
            ),
            Locality("region", f"zone-{number}"),
            weight,
            priority,
        )
        for number, (weight, priority, endpoints) in enumerate(shape)
    )
    return Cluster("c", "STATIC", load_assignment=ClusterLoadAssignment("c", groups), **options)


@pytest.mark.envoy
@pytest.mark.parametrize("name", SHARES)
async def test_both_engines_share_as_envoys_rules_say(proxy, serve, envoy, make, name):
    options, shape, shares = SHARES[name]
    origins = [await proxy.origin() for _ in shares]
    for number, origin in enumerate(origins):
        origin.response = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d" % number
    cluster = cluster_of(shape, [origin.port for origin in origins], **options)
    ours = await serve(make.forward("c"), cluster)
    theirs = await envoy(make.routes(Route(RouteMatch(), make.forward("c"))), cluster)
    for client in (ours, theirs):
        counted = Counter([int((await client.get())[2]) for _ in range(REQUESTS)])
        for number, share in enumerate(shares):
            expected = REQUESTS * share / 100
            # 5.5 standard deviations of independent draws: wrong once in ten million comparisons
            tolerance = 5.5 * (expected * (1 - share / 100)) ** 0.5
            assert abs(counted[number] - expected) <= tolerance, (name, share, counted)


@pytest.mark.envoy
@pytest.mark.parametrize("policy", ["RING_HASH", "MAGLEV"])
@pytest.mark.parametrize("panic_threshold", [0, 70])
async def test_the_real_envoy_finds_the_same_endpoint_in_weighted_localities(
    proxy, serve, envoy, make, policy, panic_threshold
):
    shape = ((1, 0, (WELL, (3, True))), (3, 0, (WELL, ILL)), (2, 0, (ILL,)))
    origins = [await proxy.origin() for _ in range(5)]
    for number, origin in enumerate(origins):
        origin.response = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n%d" % number
    options = {"lb_policy": policy, "locality_weighted": True, "panic_threshold": panic_threshold}
    cluster = cluster_of(shape, [origin.port for origin in origins], **options)
    forward = make.forward("c", hash_policies=(HashPolicy("header", "x-user"),))
    ours = await serve(forward, cluster)
    theirs = await envoy(make.routes(Route(RouteMatch(), forward)), cluster)
    for number in range(80):
        line = f"x-user: {number}"
        mine, envoys = (await ours.get("/", "a", line))[2], (await theirs.get("/", "a", line))[2]
        assert mine == envoys, number
