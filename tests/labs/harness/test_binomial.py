from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labs.harness import binomial

shares = st.floats(0.01, 0.99)


@pytest.mark.parametrize(
    ("count", "n", "share", "expected"),
    [(0, 10, 0.5, 1 / 1024), (5, 10, 0.5, 252 / 1024), (10, 10, 0.5, 1 / 1024), (2, 3, 0.1, 3 * 0.01 * 0.9)],
)
def test_the_mass_function_gives_textbook_values(count: int, n: int, share: float, expected: float) -> None:
    assert binomial.pmf(count, n, share) == pytest.approx(expected, rel=1e-12)


def test_certain_shares_have_all_mass_in_one_count() -> None:
    assert [binomial.pmf(k, 3, 0.0) for k in range(4)] == [1, 0, 0, 0]
    assert [binomial.pmf(k, 3, 1.0) for k in range(4)] == [0, 0, 0, 1]


@given(st.integers(1, 300), shares)
def test_the_mass_sums_to_one(n: int, share: float) -> None:
    assert math.fsum(binomial.pmf(k, n, share) for k in range(n + 1)) == pytest.approx(1.0, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 400), shares, st.floats(1e-9, 0.2))
def test_the_region_keeps_its_false_alarm_rate_and_wastes_none(n: int, share: float, alpha: float) -> None:
    low, high = binomial.acceptance_region(n, share, alpha)
    slack = 1e-12
    assert binomial.at_most(low - 1, n, share) <= alpha / 2 + slack
    assert binomial.at_least(high + 1, n, share) <= alpha / 2 + slack
    assert binomial.at_most(low, n, share) > alpha / 2 - slack or low == n
    assert binomial.at_least(high, n, share) > alpha / 2 - slack or high == 0


@pytest.mark.parametrize(
    ("share", "other", "published"),
    [(0.10, 0.20, 790), (0.10, 0.15, 2750), (0.20, 0.30, 1180), (0.50, 0.60, 1580)],
)
def test_sample_sizes_are_the_published_ones(share: float, other: float, published: int) -> None:
    assert binomial.sample_size(share, other) == pytest.approx(published, rel=0.02)


def test_the_canary_needs_1684_requests_and_they_are_enough() -> None:
    n = binomial.sample_size(0.05, 0.10)
    assert n == 1684
    assert binomial.power(n, 0.05, 0.10) >= 0.999
    assert binomial.power(n, 0.05, 0.20) > 1 - 1e-9
    assert binomial.power(n, 0.05, 0.0) == 1.0


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3])
@pytest.mark.parametrize("factor", [2.0, 3.0])
def test_any_sample_size_has_the_power_it_promises(share: float, factor: float) -> None:
    n = binomial.sample_size(share, share * factor)
    assert binomial.power(n, share, share * factor) >= binomial.POWER


def test_equal_shares_cannot_be_told_apart() -> None:
    with pytest.raises(ValueError, match="two different shares"):
        binomial.sample_size(0.05, 0.05)


@pytest.mark.parametrize(
    ("count", "n", "confidence", "low", "high"),
    [
        # Clopper and Pearson in closed form at the ends: 1 - (tail) ** (1 / n)
        (0, 10, 0.95, 0.0, 1 - 0.025 ** (1 / 10)),
        (10, 10, 0.95, 0.025 ** (1 / 10), 1.0),
        (5, 100, 0.95, 0.01643188, 0.11283491),  # R's binom.test(5, 100)
    ],
)
def test_intervals_are_clopper_pearsons(
    count: int, n: int, confidence: float, low: float, high: float
) -> None:
    assert binomial.interval(count, n, confidence) == pytest.approx((low, high), abs=1e-7)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 200), st.data())
def test_an_interval_holds_the_observed_share(n: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, n))
    low, high = binomial.interval(count, n)
    assert low <= count / n <= high


def test_simulated_canaries_alarm_as_rarely_as_promised() -> None:
    """The region for alpha = 5 %, 1000 correct canaries: 80 alarms or more have probability 4e-5 or less."""
    rng = random.Random(7)
    n, share = 200, 0.05
    region = binomial.acceptance_region(n, share, alpha=0.05)
    canaries = (sum(rng.random() < share for _ in range(n)) for _ in range(1000))
    assert sum(count not in region for count in canaries) < 80
