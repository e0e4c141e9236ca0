"""Turns by weight: as often as the weight says, and in the very order in which the real Envoy takes them."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.route import Route, RouteMatch
from mesh.proxy.edf import Schedule


def turns(weights: dict[str, float], count: int, skipped: int = 0) -> str:
    schedule = Schedule(list(weights), weights.__getitem__, skipped)
    return "".join(schedule.pick() for _ in range(count))


def test_equal_deadlines_go_in_the_order_in_which_they_were_set():
    assert turns({"a": 1, "b": 1, "c": 1}, 6) == "abcabc"
    assert turns({"a": 2, "b": 1}, 9) == "abaabaaba"


def test_skipped_turns_are_gone():
    assert turns({"a": 2, "b": 1}, 6, skipped=2) == "aabaab"


def test_a_weight_that_changes_counts_from_the_next_turn_on():
    weights = {"a": 1.0, "b": 1.0}
    schedule = Schedule("ab", weights.__getitem__)
    weights["a"] = 4.0
    assert "".join(schedule.pick() for _ in range(6)) == "abaaab"


@given(st.lists(st.floats(0.1, 10), min_size=1, max_size=8), st.integers(0, 50))
def test_everybody_is_near_his_share(weights, skipped):
    """In a time t each has t x weight turns but for one; so t is known but for one turn of each."""
    named = dict(zip("abcdefgh", weights, strict=False))
    counted = Counter(turns(named, 400, skipped))
    for name, weight in named.items():
        share = weight / sum(weights)
        assert abs(counted[name] - 400 * share) <= 1 + len(weights) * share + 1e-6


@pytest.mark.envoy
@pytest.mark.parametrize("weights", [(1, 2, 5), (3, 1, 1), (7, 4)], ids=str)
async def test_the_real_envoy_takes_the_same_turns(proxy, envoy, make, weights):
    origins = [await proxy.origin() for _ in weights]
    names = dict(zip("abc", weights, strict=False))
    for name, origin in zip(names, origins, strict=True):
        origin.response = b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n" + name.encode()
    endpoints = tuple(
        Endpoint("127.0.0.1", origin.port, weight=weight)
        for origin, weight in zip(origins, weights, strict=True)
    )
    found = ClusterLoadAssignment("c", (LocalityEndpoints(endpoints),))
    cluster = Cluster("c", "STATIC", "ROUND_ROBIN", load_assignment=found)
    client = await envoy(make.routes(Route(RouteMatch(), make.forward("c"))), cluster)
    seen = "".join([(await client.get())[2].decode() for _ in range(30)])
    # it begins anywhere; and what is equal but for the rounding of sums may change places
    assert any(seen in turns(names, 300, skipped) for skipped in range(40))
