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


def test_weighted_round_robin_is_in_turn_too():
    assert picks(round_robin(hosts(2, 1), Random(1)), 300).count("aaa") == 0
    starts = {picks(round_robin(hosts(3, 1), Random(seed)), 4) for seed in range(30)}
    assert len(starts) > 1


@given(st.lists(st.integers(1, 9), min_size=1, max_size=6))
def test_many_rounds_give_each_its_weight(weights):
    rounds = 20
    counted = Counter(picks(round_robin(hosts(*weights), Random(1)), rounds * sum(weights)))
    for name, weight in zip("abcdef", weights, strict=False):
        share = rounds * (weight if len(set(weights)) > 1 else sum(weights) / len(weights))
        assert abs(counted[name] - share) <= 2


def test_least_request_prefers_the_less_busy_of_two():
    busy, free = Host("busy", active=10), Host("free")
    counted = Counter(picks(least_request([busy, free], Random(1)), 1).strip() for _ in range(1))
    assert sum(counted.values()) == 1
    pick = least_request([busy, free], Random(1))
    chosen = Counter(pick().name for _ in range(1000))
    assert 150 < chosen["busy"] < 350  # only when both draws are the busy one


def test_least_request_takes_turns_by_weight_and_requests():
    """Of weight 4 with 3 requests, and of weight 1 with none: 1 to 1, until one of them has done."""
    heavy, light = Host("heavy", 4, active=3), Host("light", 1)
    pick = least_request([heavy, light], Random(1))
    chosen = Counter(pick().name for _ in range(1000))
    assert abs(chosen["heavy"] - 500) <= 2
    heavy.active = 0
    chosen = Counter(pick().name for _ in range(1000))
    assert abs(chosen["heavy"] - 800) <= 2


def test_random_knows_no_weights():
    chosen = Counter(picks(random_choice(hosts(3, 1), Random(1)), 4000))
    assert 1825 < chosen["a"] < 2175  # 5.5 standard deviations


@pytest.mark.parametrize("policy", sorted(BALANCERS))
def test_one_host_is_always_the_one(policy):
    assert picks(BALANCERS[policy](hosts(1), Random(1)), 5) == "aaaaa"


@pytest.mark.parametrize("policy", sorted(BALANCERS))
def test_the_same_seed_repeats_the_choice(policy):
    one, other = (BALANCERS[policy](hosts(1, 2, 3), Random(5)) for _ in range(2))
    assert picks(one, 50) == picks(other, 50)
