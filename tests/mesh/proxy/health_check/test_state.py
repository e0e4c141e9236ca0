"""Thresholds, edges and intervals: an endpoint's life as a row of outcomes."""

from __future__ import annotations

from random import Random

import pytest

from mesh.model.health_check import HealthCheck, TcpHealthCheck
from mesh.proxy.health_check.state import NEW, TRUSTED, Health, Outcome, after, interval_s, jittered_s

OUTCOMES = {
    "p": Outcome.PASSED,
    "f": Outcome.FAILED,
    "r": Outcome.RETRIABLE,
    "n": Outcome.NETWORK,
    "t": Outcome.TIMEOUT,
    "x": Outcome.PASSIVE,
}
RULES = HealthCheck(TcpHealthCheck(), unhealthy_threshold=3, healthy_threshold=2)


def life(row: str, health: Health = NEW, rules: HealthCheck = RULES) -> str:
    """For each outcome whether it is up (+) or down (-) then."""
    said = ""
    for letter in row:
        health = after(health, OUTCOMES[letter], rules)
        said += "-" if health.has_failed else "+"
    return said


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ("p", "+"),  # the first check decides at once
        ("n", "-"),
        ("pnn", "+++"),
        ("pnnn", "+++-"),
        ("pttt", "+++-"),
        ("prrr", "+++-"),
        ("pnrt", "+++-"),  # all of them count together
        ("pnnpnnp", "+++++++"),  # a check that passes forgives
        ("pf", "+-"),  # said so: at once
        ("px", "+-"),
        ("pfp", "+--"),
        ("pfpp", "+--+"),
        ("pfpnpp", "+----+"),  # failures forgive nothing either
        ("np", "--"),  # not the first any more
        ("npp", "--+"),
    ],
)
def test_an_endpoints_life(row: str, expected: str) -> None:
    assert life(row) == expected


def test_one_that_was_trusted_is_judged_by_its_first_check() -> None:
    assert life("p", TRUSTED) == "+"
    assert life("n", TRUSTED) == "-"
    assert life("npp", TRUSTED) == "--+"


def test_a_timeout_is_remembered_while_it_is_the_reason() -> None:
    down = after(after(NEW, Outcome.PASSED, RULES), Outcome.FAILED, RULES)
    assert not down.is_timed_out
    late = after(down, Outcome.TIMEOUT, RULES)
    assert late.is_timed_out
    assert not after(late, Outcome.NETWORK, RULES).is_timed_out
    up = after(NEW, Outcome.PASSED, RULES)
    assert not after(up, Outcome.TIMEOUT, RULES).is_timed_out, "it has not failed yet"


def test_who_asked_to_be_left_out_is_back_when_it_is_well_again() -> None:
    out = Health(has_failed=True, is_checked=True, is_excluded=True)
    once = after(out, Outcome.PASSED, RULES)
    assert (once.has_failed, once.is_excluded) == (True, True)
    twice = after(once, Outcome.PASSED, RULES)
    assert (twice.has_failed, twice.is_excluded) == (False, False)


EDGES = HealthCheck(
    TcpHealthCheck(),
    interval_s=10,
    unhealthy_interval_s=20,
    unhealthy_edge_interval_s=30,
    healthy_edge_interval_s=40,
    no_traffic_interval_s=50,
    no_traffic_healthy_interval_s=60,
    unhealthy_threshold=2,
    healthy_threshold=2,
)


def waits(row: str, rules: HealthCheck = EDGES, traffic: bool = True) -> list[float]:
    health, found = NEW, []
    for letter in row:
        before, health = health, after(health, OUTCOMES[letter], rules)
        found.append(interval_s(before, health, OUTCOMES[letter], rules, traffic, Random(1)))
    return found


def test_the_interval_depends_on_what_a_check_has_changed() -> None:
    """Envoy's documentation of the edge intervals, then one failure that is not enough, and one that is."""
    assert waits("ppnnnpp") == [10, 10, 30, 20, 20, 40, 10]


def test_without_traffic_there_is_less_to_ask_for() -> None:
    assert waits("ppnnpp", traffic=False) == [60, 60, 50, 50, 50, 60]
    assert waits("pn", HealthCheck(TcpHealthCheck()), traffic=False) == [60, 60]


def test_what_is_not_said_is_the_interval() -> None:
    plain = HealthCheck(TcpHealthCheck(), interval_s=7, unhealthy_threshold=2)
    assert waits("pnnpp", plain) == [7] * 5
    unhealthy = HealthCheck(TcpHealthCheck(), interval_s=7, unhealthy_interval_s=9, unhealthy_threshold=2)
    assert waits("pnnpp", unhealthy) == [7, 9, 9, 7, 7]


def test_jitter_is_added_and_nothing_spins() -> None:
    rng = Random(1)
    rules = HealthCheck(TcpHealthCheck(), interval_jitter_s=2, interval_jitter_percent=50)
    found = [jittered_s(10, rules, rng) for _ in range(1000)]
    assert min(found) >= 10
    assert max(found) < 17
    assert max(found) > 16
    assert jittered_s(0, HealthCheck(TcpHealthCheck()), rng) == 0.001
