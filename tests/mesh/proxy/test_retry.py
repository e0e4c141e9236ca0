from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.model.route import RetryPolicy
from mesh.proxy.failure import (
    CONNECTION_TIMEOUT,
    NO_HEALTHY_UPSTREAM,
    OVERFLOW,
    PER_TRY_TIMEOUT,
    TIMEOUT,
    Failure,
    Kind,
    Stage,
    connection_failure,
)
from mesh.proxy.retry import IDEMPOTENT, backoff_s, should_retry, should_retry_status

REFUSED = connection_failure("refused")
TERMINATED = Failure(Kind.CONNECTION_TERMINATION, Stage.SEND, False)
RACE = Failure(Kind.CONNECTION_TERMINATION, Stage.SEND, False, reused=True)
WORDS = ("5xx", "gateway-error", "reset", "connect-failure", "retriable-status-codes", "retriable-4xx")


def policy(*words, attempts=2, codes=()):
    return RetryPolicy(attempts, words, retriable_status_codes=codes)


@pytest.mark.parametrize("failure", [REFUSED, CONNECTION_TIMEOUT])
def test_what_surely_did_not_happen_is_repeated_for_every_method(failure):
    assert should_retry(policy("connect-failure"), failure, b"POST", 0)
    assert not should_retry(policy("retriable-status-codes"), failure, b"GET", 0)


def test_the_limit_and_no_policy():
    assert not should_retry(policy("connect-failure"), REFUSED, b"GET", 2)
    assert not should_retry(None, REFUSED, b"GET", 0)


def test_a_reset_needs_its_word_and_an_idempotent_method():
    assert should_retry(policy("reset"), TERMINATED, b"GET", 0)
    assert not should_retry(policy("connect-failure"), TERMINATED, b"GET", 0)
    assert not should_retry(policy("reset"), TERMINATED, b"POST", 0)
    assert should_retry(policy("5xx"), PER_TRY_TIMEOUT, b"GET", 0)


def test_the_keep_alive_race_needs_no_word():
    assert should_retry(policy(), RACE, b"GET", 0)
    assert not should_retry(policy(), RACE, b"POST", 0)


@pytest.mark.parametrize("failure", [OVERFLOW, NO_HEALTHY_UPSTREAM, TIMEOUT])
def test_trying_again_would_not_help(failure):
    assert not should_retry(policy(*WORDS), failure, b"GET", 0)


def test_statuses():
    assert should_retry_status(policy("5xx"), 500, b"GET", 0)
    assert should_retry_status(policy("gateway-error"), 502, b"GET", 0)
    assert not should_retry_status(policy("gateway-error"), 500, b"GET", 0)
    assert should_retry_status(policy("retriable-status-codes", codes=(429,)), 429, b"GET", 0)
    assert not should_retry_status(policy("retriable-status-codes"), 503, b"GET", 0)
    assert should_retry_status(policy("retriable-4xx"), 409, b"GET", 0)


@given(
    st.sampled_from([b"POST", b"PATCH", b"CONNECT"]),
    st.lists(st.sampled_from(WORDS)),
    st.sampled_from([TERMINATED, RACE, PER_TRY_TIMEOUT, Failure(Kind.PROTOCOL_ERROR, Stage.SEND, False)]),
    st.integers(400, 599),
)
def test_no_policy_repeats_what_may_have_happened_and_is_not_idempotent(method, words, failure, status):
    assert method not in IDEMPOTENT
    assert not should_retry(policy(*words), failure, method, 0)
    assert not should_retry_status(policy(*words, codes=(status,)), status, method, 0)


@given(st.integers(1, 30), st.integers(0, 1000))
def test_back_off_is_jittered_below_its_ceiling(retry, seed):
    delay = backoff_s(policy(), retry, Random(seed))
    assert 0 <= delay <= min(0.025 * (2**retry - 1), 0.250)
