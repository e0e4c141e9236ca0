"""So many and no more; the clock is the test's. 0.25 s and 4 a second are exact in binary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.model.rate_limit import TokenBucket as Rules
from mesh.proxy.token_bucket import TokenBucket


def taken(bucket, now, tries):
    return sum(bucket.take(now) for _ in range(tries))


def test_it_is_full_at_first_and_never_fuller():
    bucket = TokenBucket(Rules(8, 4, 1.0), now=1000)
    assert taken(bucket, 1000, 20) == 8
    assert taken(bucket, 1000.25, 20) == 1
    assert taken(bucket, 1_000_000, 20) == 8


def test_tokens_come_back_one_by_one_and_not_by_the_interval():
    bucket = TokenBucket(Rules(8, 8, 2.0), now=0)
    taken(bucket, 0, 8)
    assert [taken(bucket, now, 20) for now in (0.125, 0.25, 0.5, 0.625, 1.5)] == [0, 1, 1, 0, 4]


def test_a_part_of_a_token_is_kept():
    bucket = TokenBucket(Rules(2, 1, 1.0), now=0)
    taken(bucket, 0, 2)
    assert [bucket.take(now) for now in (0.75, 1.75, 2.0, 2.5, 3.0)] == [False, True, True, False, True]


@pytest.mark.parametrize(("workers", "most"), [(1, 8), (2, 4), (3, 2), (8, 1), (64, 1)])
def test_workers_have_a_share_each_and_at_least_one_token(workers, most):
    bucket = TokenBucket(Rules(8, 64, 1.0), now=0, workers=workers)
    assert taken(bucket, 0, 20) == most
    assert bucket.per_second == 64 / workers


def test_what_never_refills_in_a_lifetime_does_not():
    bucket = TokenBucket(Rules(3, 1, 10.0**9), now=0)
    assert taken(bucket, 0, 9) == 3
    assert taken(bucket, 3600 * 24 * 30, 9) == 0


@given(st.integers(1, 20), st.integers(1, 20), st.lists(st.integers(0, 64), max_size=60))
def test_never_more_than_a_full_bucket_and_what_came_since(most, fill, steps):
    bucket, now, admitted = TokenBucket(Rules(most, fill, 1.0), now=0), 0.0, 0
    for step in steps:
        now += step / 64
        admitted += bucket.take(now)
        assert admitted <= most + fill * now + 1e-6
