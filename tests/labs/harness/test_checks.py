from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.harness import binomial, checks
from labs.harness.history import Exchange, Logged
from labs.harness.runtime import Identity

IPHONE = ".*iPhone.*"
N = binomial.sample_size(0.05, 0.10)


def exchange(served: str = "v1", agent: str = "curl", status: int = 200, error: str = "") -> Exchange:
    return Exchange("id", 0.0, 0.1, status, agent, served, "/", error)


def split(v1: int, v2: int) -> list[Exchange]:
    return [exchange("v1")] * v1 + [exchange("v2")] * v2


def logged(at: float, route: str) -> Logged:
    return Logged("source", at, 200, "id", "/reviews/0", route, "productpage-v1", "reviews-v1")


def test_an_empty_history_proves_nothing() -> None:
    assert checks.no_failures("c", []).outcome == "inconclusive"
    assert checks.all_served_by("c", [], "v1").outcome == "inconclusive"
    assert checks.share("c", [], "v2", 0.05).outcome == "inconclusive"
    assert checks.routed_by_agent("c", [], IPHONE, "v2", "v1").outcome == "inconclusive"


@pytest.mark.parametrize(
    "bad", [exchange(status=503), exchange(status=0, error="ClientError: x"), exchange(status=404)]
)
def test_one_failed_request_fails_every_check(bad: Exchange) -> None:
    history = [*split(N, 0), bad]
    assert checks.no_failures("c", history).outcome == "fail"
    assert checks.all_served_by("c", history, "v1").outcome == "fail"
    assert checks.share("c", history, "v2", 0.05).outcome == "fail"
    assert checks.routed_by_agent("c", history, IPHONE, "v2", "v1").outcome == "fail"


def test_one_request_at_the_wrong_version_fails() -> None:
    assert checks.all_served_by("c", split(200, 0), "v1").outcome == "pass"
    verdict = checks.all_served_by("c", split(199, 1), "v1")
    assert verdict.outcome == "fail"
    assert "199 to v1, 1 to v2" in verdict.reason


def test_each_version_must_have_answered() -> None:
    assert checks.served_by_each("c", split(3, 1), ("v1", "v2")).outcome == "pass"
    assert checks.served_by_each("c", split(4, 0), ("v1", "v2")).outcome == "fail"
    assert checks.served_by_each("c", [*split(3, 1), exchange("")], ("v1", "v2")).outcome == "fail"


def test_a_page_that_names_no_version_is_not_the_right_version() -> None:
    assert checks.all_served_by("c", [exchange(served="")], "v1").outcome == "fail"


def test_five_percent_passes_with_n_and_interval_printed() -> None:
    verdict = checks.share("c", split(N - 84, 84), "v2", 0.05)
    assert verdict.outcome == "pass"
    assert f"84 of {N}" in verdict.reason
    assert "interval" in verdict.reason
    assert verdict.numbers["accepted_low"] == 44


@pytest.mark.parametrize("count", [0, 43, 132, N // 5])
def test_a_share_outside_the_region_fails(count: int) -> None:
    assert checks.share("c", split(N - count, count), "v2", 0.05).outcome == "fail"


def test_a_small_sample_is_inconclusive_however_good_it_looks() -> None:
    verdict = checks.share("c", split(95, 5), "v2", 0.05)
    assert verdict.outcome == "inconclusive"
    assert str(N) in verdict.reason


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32))
def test_a_sabotaged_split_is_always_noticed(seed: int) -> None:
    """20 % where 5 % was asked for: P(count <= 131 of 1684) is below 1e-40."""
    rng = random.Random(seed)
    count = sum(rng.random() < 0.20 for _ in range(N))
    assert checks.counted_share("c", count, N, "v2", 0.05).outcome == "fail"


def test_agents_are_matched_whole_and_exactly() -> None:
    iphone, lower = exchange("v2", "Mozilla (iPhone; x)"), exchange("v1", "iphone-backup")
    assert checks.routed_by_agent("c", [iphone, lower], IPHONE, "v2", "v1").outcome == "pass"
    assert checks.routed_by_agent("c", [iphone, lower], "iPhone", "v2", "v1").outcome == "inconclusive"
    stray = exchange("v2", "curl")
    assert checks.routed_by_agent("c", [iphone, lower, stray], IPHONE, "v2", "v1").outcome == "fail"
    lost = exchange("v1", "iPhone")
    assert checks.routed_by_agent("c", [iphone, lower, lost], IPHONE, "v2", "v1").outcome == "fail"


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(["v1", "v2", ""])), max_size=20))
def test_routing_passes_only_when_every_request_obeys(crowd: list[tuple[bool, str]]) -> None:
    history = [exchange(served, "an iPhone" if iphone else "curl") for iphone, served in crowd]
    obeys = all(served == ("v2" if iphone else "v1") for iphone, served in crowd)
    both = {iphone for iphone, _ in crowd} == {True, False}
    expected = "inconclusive" if not both else "pass" if obeys else "fail"
    assert checks.routed_by_agent("c", history, IPHONE, "v2", "v1").outcome == expected


def test_a_restart_is_noticed_by_id_or_by_start_time() -> None:
    before = {"a": Identity("1", "100"), "b": Identity("2", "100")}
    assert checks.untouched("c", before, dict(before)).outcome == "pass"
    for changed in (Identity("3", "100"), Identity("1", "101")):
        verdict = checks.untouched("c", before, before | {"a": changed})
        assert (verdict.outcome, verdict.reason) == ("fail", "restarted: a")
    assert checks.untouched("c", before, {"a": before["a"]}).outcome == "fail"
    assert checks.untouched("c", {}, {}).outcome == "inconclusive"


def test_a_request_by_the_old_rule_after_the_ack_fails_and_one_before_does_not() -> None:
    log = [logged(9.999, "old"), logged(10.0, "new"), logged(11.0, "new"), logged(12.0, "newer")]
    assert checks.no_stale_rule("c", log, "new", 10.0, 12.0).outcome == "pass"
    verdict = checks.no_stale_rule("c", [*log, logged(10.004, "old")], "new", 10.0, 12.0)
    assert verdict.outcome == "fail"
    assert "1 of 3 requests followed old, up to 4.0 ms" in verdict.reason


def test_a_stage_without_requests_is_inconclusive() -> None:
    assert checks.no_stale_rule("c", [logged(1.0, "old")], "new", 10.0, 12.0).outcome == "inconclusive"
