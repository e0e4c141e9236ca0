from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.proxy.balance import BALANCERS, least_request, random_choice, round_robin


class Host:
    def __init__(self, name, weight=1, active=0):
        self.name, self.weight, self.active = name, weight, active


def hosts(*weights):
    return [Host(chr(97 + place), weight) for place, weight in enumerate(weights)]


def picks(pick, count):
    return "".join(pick().name for _ in range(count))


def test_round_robin_takes_each_in_turn_from_anywhere():
    starts = {picks(round_robin(hosts(1, 1, 1), Random(seed)), 6) for seed in range(30)}
    assert starts == {"abcabc", "bcabca", "cabcab"}


def test_weighted_round_robin_is_smooth():
    assert picks(round_robin(hosts(5, 1, 1), Random(1)), 7) == "aabacaa"
    assert picks(round_robin(hosts(2, 1), Random(1)), 6) == "abaaba"


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_a_round_gives_each_exactly_its_weight(weights):
    counted = Counter(picks(round_robin(hosts(*weights), Random(1)), sum(weights)))
    if len(set(weights)) > 1:
        assert sorted(counted.values()) == sorted(weights)
    else:
        assert max(counted.values()) - min(counted.values()) <= max(weights)


def test_least_request_prefers_the_less_busy_of_two():
    busy, free = Host("busy", active=10), Host("free")
    counted = Counter(picks(least_request([busy, free], Random(1)), 1).strip() for _ in range(1))
    assert sum(counted.values()) == 1
    pick = least_request([busy, free], Random(1))
    chosen = Counter(pick().name for _ in range(1000))
    assert 150 < chosen["busy"] < 350  # only when both draws are the busy one


def test_least_request_counts_requests_per_weight():
    heavy, light = Host("heavy", 4, active=4), Host("light", 1, active=2)
    pick = least_request([heavy, light], Random(1))
    chosen = Counter(pick().name for _ in range(1000))
    assert chosen["light"] < 100  # both draws light: 1 in 25


def test_random_follows_the_weights():
    chosen = Counter(picks(random_choice(hosts(3, 1), Random(1)), 4000))
    assert 2850 < chosen["a"] < 3150


@pytest.mark.parametrize("policy", sorted(BALANCERS))
def test_one_host_is_always_the_one(policy):
    assert picks(BALANCERS[policy](hosts(1), Random(1)), 5) == "aaaaa"


@pytest.mark.parametrize("policy", sorted(BALANCERS))
def test_the_same_seed_repeats_the_choice(policy):
    one, other = (BALANCERS[policy](hosts(1, 2, 3), Random(5)) for _ in range(2))
    assert picks(one, 50) == picks(other, 50)
