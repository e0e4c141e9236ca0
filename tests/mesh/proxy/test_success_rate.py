"""Who is out of line with the others: Envoy's arithmetic, and a property of it."""

from __future__ import annotations

from fractions import Fraction
from statistics import pstdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.model.outlier import FailurePercentage, SuccessRate
from mesh.proxy.success_rate import Tally, below_the_others, ejection_threshold, failing_too_often


def tallies(*counts: tuple[int, int]) -> dict[str, Tally]:
    """(succeeded, failed) of each endpoint in the interval that is over."""
    found = {}
    for name, (succeeded, failed) in zip("abcdefghij", counts, strict=False):
        found[name] = Tally()
        for outcome in [True] * succeeded + [False] * failed:
            found[name].add(outcome)
        found[name].turn()
    return found


def test_the_threshold_of_envoys_own_example():
    rates = dict(zip("abcde", (50.0, 100.0, 100.0, 100.0, 100.0), strict=True))
    assert ejection_threshold(rates, SuccessRate(stdev_factor=1900)) == pytest.approx(52)


def test_one_of_five_that_succeeds_half_the_time_is_below_the_others():
    rule = SuccessRate(minimum_hosts=5, request_volume=100)
    assert below_the_others(tallies((50, 50), *[(100, 0)] * 4), rule) == ["a"]
    assert below_the_others(tallies((52, 48), *[(100, 0)] * 4), rule) == ["a"]
    assert below_the_others(tallies(*[(100, 0)] * 5), rule) == [], "the threshold itself is not below it"


def test_too_few_endpoints_or_requests_tell_nothing():
    busy = tallies((50, 50), *[(100, 0)] * 4)
    assert below_the_others(busy, SuccessRate(minimum_hosts=6)) == []
    assert below_the_others(busy, SuccessRate(request_volume=101)) == []
    assert below_the_others({}, SuccessRate(minimum_hosts=0)) == []
    assert below_the_others(tallies((0, 0)), SuccessRate(0, 0)) == []
    quiet = tallies((0, 99), *[(100, 0)] * 5)
    assert below_the_others(quiet, SuccessRate()) == [], "99 requests are no matter of 100"


def test_a_failure_percentage_counts_from_its_threshold_on():
    rule = FailurePercentage(threshold=85, minimum_hosts=1, request_volume=50)
    assert failing_too_often(tallies((15, 85), (16, 84), (0, 49)), rule) == ["a"]
    assert failing_too_often(tallies((15, 85)), FailurePercentage(minimum_hosts=2)) == []


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).filter(any), min_size=1, max_size=10),
    st.integers(0, 3000),
)
def test_below_means_below_the_mean_less_the_deviations(counts, factor):
    found = below_the_others(tallies(*counts), SuccessRate(1, 1, factor))
    rates = [float(Fraction(100 * good, good + bad)) for good, bad in counts]
    threshold = sum(rates) / len(rates) - factor / 1000 * pstdev(rates)
    for name, rate in zip("abcdefghij", rates, strict=False):
        if abs(rate - threshold) > 1e-6:
            assert (name in found) == (rate < threshold)
