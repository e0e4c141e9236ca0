"""How levels share the traffic: Envoy's table, and the draw."""

from collections import Counter
from random import Random

import pytest

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.proxy.priority import Level, Load, distribute, level_loads, spread, spread_keys


@pytest.mark.parametrize(
    ("levels", "loads"),
    [
        ([(100, 100), (100, 100)], [100, 0]),
        ([(72, 100), (100, 100)], [100, 0]),
        ([(71, 100), (100, 100)], [99, 1]),
        ([(50, 100), (100, 100)], [70, 30]),
        ([(25, 100), (100, 100)], [35, 65]),
        ([(25, 100), (25, 100)], [50, 50]),
        ([(0, 100), (50, 100)], [0, 100]),
        ([(0, 4), (0, 4)], [0, 0]),
    ],
)
def test_loads_as_envoys_documentation_has_them(levels, loads):
    found = level_loads([Level(healthy, total) for healthy, total in levels], 0)
    assert found == [Load(percent) for percent in loads]


def in_panic(threshold, *levels):
    found = level_loads([Level(healthy, total) for healthy, total in levels], threshold)
    return [(load.percent, load.panic) for load in found]


def test_panic_is_for_levels_below_the_threshold_while_all_do_not_make_100_percent():
    """Envoy's documentation, "Panic threshold" with several priorities, and its corner cases."""
    assert in_panic(50, (25, 100), (100, 100)) == [(35, False), (65, False)]
    assert in_panic(50, (25, 100), (25, 100)) == [(50, True), (50, True)]
    assert in_panic(50, (0, 100), (0, 100)) == [(50, True), (50, True)]
    assert in_panic(50, (0, 300), (0, 100)) == [(75, True), (25, True)]
    assert in_panic(40, (1, 4), (2, 5)) == [(39, True), (61, False)]
    assert in_panic(0, (0, 4), (0, 4)) == [(0, False), (0, False)]
    assert in_panic(50) == []
    assert in_panic(50, (0, 0)) == [(0, True)]
    assert in_panic(50, (0, 1), (0, 2)) == [(34, True), (66, True)], "what rounding leaves is the first's"


def test_the_excluded_are_not_counted_as_sick():
    assert level_loads([Level(1, 10, 9), Level(1, 1)], 50) == [Load(100), Load(0)]
    assert level_loads([Level(0, 3, 3), Level(1, 1)], 50) == [Load(0), Load(100)]


def test_rounding_leaves_nothing_over():
    for health in ([33, 33, 33], [1, 1, 1], [0, 7, 0]):
        assert sum(distribute(health)) == 100
    assert distribute([0, 0]) == [0, 0]


def test_the_draw_follows_the_loads():
    pick = spread([(70, lambda: "near"), (30, lambda: "far")], Random(1))
    counts = Counter(pick() for _ in range(10_000))
    assert 6_770 <= counts["near"] <= 7_230  # 5 standard deviations: wrong once in a million runs


def test_a_key_stays_in_its_level():
    find = spread_keys([(70, lambda key, attempt: "near"), (30, lambda key, attempt: "far")])
    assert [find(key, 0) for key in (0, 69, 70, 199)] == ["near", "near", "far", "far"]


async def test_the_far_take_over_when_the_near_are_gone(proxy, serve, make):
    near, far = await proxy.origin(), await proxy.origin()
    sick = LocalityEndpoints((Endpoint("127.0.0.1", near.port, health="UNHEALTHY"),))
    rest = LocalityEndpoints((Endpoint("127.0.0.1", far.port),), priority=1)
    for groups, expected in (((sick, rest), far), ((rest,), far)):
        model = Cluster("c", "STATIC", load_assignment=ClusterLoadAssignment("c", groups))
        client = await serve(make.forward("c"), model)
        before = len(expected.requests)
        assert (await client.get())[0] == 200
        assert len(expected.requests) == before + 1
