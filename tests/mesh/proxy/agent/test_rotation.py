from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mesh.proxy.agent.rotation import backoff_s, rotate_at

DAY_S = 86400.0


@given(st.integers())
def test_half_of_the_life_is_left_give_or_take_one_percent(seed: int) -> None:
    assert 0.49 * DAY_S <= rotate_at(0, DAY_S, Random(seed)) <= 0.51 * DAY_S


def test_not_all_sidecars_ask_at_once() -> None:
    assert len({rotate_at(0, DAY_S, Random(seed)) for seed in range(20)}) == 20


@given(st.floats(-1e6, 1.0))
def test_a_certificate_that_ends_at_once_does_not_make_a_busy_loop(life_s: float) -> None:
    assert rotate_at(1e6, 1e6 + life_s, Random(1)) >= 1e6 + 0.5


@given(st.integers(1, 2000), st.integers())
def test_backoff_stays_between_50_ms_and_a_second(failures: int, seed: int) -> None:
    assert 0.05 <= backoff_s(failures, Random(seed)) <= 1.0


def test_backoff_doubles() -> None:
    longest = [max(backoff_s(failures, Random(seed)) for seed in range(200)) for failures in range(1, 6)]
    assert all(0.9 * cap <= seen <= cap for seen, cap in zip(longest, (0.1, 0.2, 0.4, 0.8, 1.0), strict=True))
