from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.http.message import Framing, Response
from mesh.model.route import NON_IDEMPOTENT, RetryPolicy
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
from mesh.proxy.retry import IDEMPOTENT, backoff_s, should_retry, should_retry_response

REFUSED = connection_failure("refused")
TERMINATED = Failure(Kind.CONNECTION_TERMINATION, Stage.SEND, False)
REFUSED_STREAM = Failure(Kind.REFUSED_STREAM, Stage.SEND, True)
RACE = Failure(Kind.CONNECTION_TERMINATION, Stage.SEND, False, reused=True)
WORDS = ("5xx", "gateway-error", "reset", "connect-failure", "retriable-status-codes", "retriable-4xx")


def policy(*words, attempts=2, codes=(), headers=()):
    return RetryPolicy(attempts, words, retriable_status_codes=codes, retriable_headers=headers)


def response(status=200, **fields):
    named = {name.replace("_", "-").encode(): value.encode() for name, value in fields.items()}
    return Response(status, named, [], Framing.LENGTH, True)


def wants(found, words):
    return {word for word in words if found(policy(word))}


EVERY_WORD = (
    *WORDS,
    "reset-before-request",
    "refused-stream",
    "retriable-headers",
    "envoy-ratelimited",
    "unavailable",
)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (REFUSED, {"5xx", "gateway-error", "reset", "connect-failure", "reset-before-request"}),
        (CONNECTION_TIMEOUT, {"5xx", "gateway-error", "reset", "connect-failure", "reset-before-request"}),
        (TERMINATED, {"5xx", "gateway-error", "reset"}),
        (PER_TRY_TIMEOUT, {"5xx", "gateway-error", "reset"}),
        (Failure(Kind.REMOTE_RESET, Stage.SEND, False), {"5xx", "gateway-error", "reset"}),
        (REFUSED_STREAM, {"5xx", "gateway-error", "reset", "refused-stream"}),
        (OVERFLOW, set()),
        (NO_HEALTHY_UPSTREAM, set()),
        (TIMEOUT, set()),
        (Failure(Kind.CONNECTION_TERMINATION, Stage.RESPONSE, False), set()),
    ],
)
def test_which_words_a_failure_is_worth_a_retry_for(failure, words):
    assert wants(lambda policy: should_retry(policy, failure, b"GET"), EVERY_WORD) == words


@pytest.mark.parametrize("failure", [REFUSED, CONNECTION_TIMEOUT, REFUSED_STREAM])
def test_what_surely_did_not_happen_is_repeated_for_every_method(failure):
    assert should_retry(policy("reset"), failure, b"POST")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (response(500), {"5xx"}),
        (response(502), {"5xx", "gateway-error"}),
        (response(503), {"5xx", "gateway-error", "retriable-status-codes"}),
        (response(504), {"5xx", "gateway-error"}),
        (response(409), {"retriable-4xx"}),
        (response(404), set()),
        (response(200, x_again="1"), {"retriable-headers"}),
        (response(200, grpc_status="0"), set()),
        (response(200, grpc_status="14"), {"unavailable"}),
        (response(429, x_envoy_ratelimited="true"), {"envoy-ratelimited"}),
        (response(503, x_envoy_ratelimited="true"), {"envoy-ratelimited"}),
    ],
)
def test_which_words_a_response_is_worth_a_retry_for(answer, words):
    def wanted(made):
        made = RetryPolicy(1, made.retry_on, retriable_status_codes=(503,), retriable_headers=("x-again",))
        return should_retry_response(made, answer, b"GET")

    assert wants(wanted, EVERY_WORD) == words


@pytest.mark.parametrize(
    ("word", "code"),
    [
        ("cancelled", 1),
        ("deadline-exceeded", 4),
        ("resource-exhausted", 8),
        ("internal", 13),
        ("unavailable", 14),
    ],
)
def test_grpc_statuses_are_asked_for_by_name_and_grpc_is_always_post(word, code):
    for status in range(17):
        found = should_retry_response(policy(word), response(200, grpc_status=str(status)), b"POST")
        assert found is (status == code)


def test_the_keep_alive_race_needs_no_word():
    assert should_retry(policy(), RACE, b"GET")
    assert not should_retry(policy(), RACE, b"POST")


def test_methods_that_are_not_idempotent_are_repeated_when_that_is_asked_for():
    asked = policy("5xx", NON_IDEMPOTENT)
    assert should_retry(asked, TERMINATED, b"POST")
    assert should_retry_response(asked, response(503), b"POST")
    assert not should_retry_response(policy("unavailable", NON_IDEMPOTENT), response(503), b"POST")


@given(
    st.sampled_from([b"POST", b"PATCH", b"CONNECT"]),
    st.lists(st.sampled_from(WORDS)),
    st.sampled_from([TERMINATED, RACE, PER_TRY_TIMEOUT, Failure(Kind.PROTOCOL_ERROR, Stage.SEND, False)]),
    st.integers(400, 599),
)
def test_no_policy_repeats_what_may_have_happened_and_is_not_idempotent(method, words, failure, status):
    assert method not in IDEMPOTENT
    assert not should_retry(policy(*words), failure, method)
    assert not should_retry_response(policy(*words, codes=(status,)), response(status), method)


@given(st.integers(1, 3000), st.integers(0, 1000))
def test_back_off_is_jittered_below_its_ceiling(retry, seed):
    delay = backoff_s(policy(), retry, Random(seed))
    assert 0 <= delay <= min(0.025 * 2 ** min(retry - 1, 60), 0.250)


def test_back_off_is_spread_over_all_of_its_range():
    """10 000 draws in ten equal parts: one outside 850..1150 has a chance below 1e-6 (binomial, all ten)."""
    rng = Random(5)
    parts = [0] * 10
    for _ in range(10_000):
        parts[int(backoff_s(policy(), 3, rng) / 0.1 * 10)] += 1
    assert all(850 <= part <= 1150 for part in parts)
