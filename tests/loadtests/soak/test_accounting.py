"""Every verdict of the soak can be a failure."""

from __future__ import annotations

import pytest

from loadtests.soak.accounting import (
    MAX_GROWTH_BYTES,
    answered_once,
    descriptors_are_back,
    executed,
    memory_is_flat,
    nothing_unhandled,
    told,
)
from loadtests.soak.load import Answer
from loadtests.soak.watch import Watched

GOOD = [Answer(number, "GET", 200) for number in range(1, 301)]


def line(number: int, status: int = 200, flags: str = "-") -> str:
    return f'[2026-01-01T00:00:00.000Z] "GET /{number} HTTP/1.1" {status} {flags} via_upstream - "-" 0 5\n'


def lines(answers: list[Answer]) -> str:
    return "".join(line(answer.number) for answer in answers)


def test_all_is_well_when_each_is_answered_told_and_executed_once() -> None:
    journal = "".join(f"{answer.number}\n" for answer in GOOD)
    assert answered_once(GOOD).outcome == "pass"
    assert told(GOOD, lines(GOOD), ()).outcome == "pass"
    assert executed(GOOD, [journal], 2).outcome == "pass"


@pytest.mark.parametrize(
    "bad", [Answer(301, "GET", 0), Answer(301, "GET", 200, intact=False), Answer(300, "GET", 200)]
)
def test_a_request_that_is_lost_mixed_up_or_answered_twice_is_a_failure(bad: Answer) -> None:
    assert answered_once([*GOOD, bad]).outcome == "fail"


def test_few_requests_prove_nothing() -> None:
    assert answered_once(GOOD[:10]).outcome == "inconclusive"


@pytest.mark.parametrize("log", ["", line(301) * 2, line(301, 200), line(301, 503)])
def test_a_failure_that_the_log_does_not_tell_of_once_with_its_reason_is_a_failure(log: str) -> None:
    answers = [*GOOD, Answer(301, "GET", 503)]
    assert told(answers, lines(GOOD) + log, ()).outcome == "fail"


def test_the_reason_may_be_in_the_log_of_either_sidecar() -> None:
    answers = [*GOOD, Answer(301, "GET", 503)]
    assert told(answers, lines(GOOD) + line(301, 503, "UF"), ()).outcome == "pass"
    assert told(answers, lines(GOOD) + line(301, 503), [line(301, 503, "UC")]).outcome == "pass"


def test_an_answer_that_was_cut_is_one_when_the_log_says_why() -> None:
    """Its head had been passed on when the origin died: nothing else can be done."""
    answers = [*GOOD, Answer(301, "GET", 200, cut=True)]
    assert answered_once(answers).outcome == "pass"
    assert told(answers, lines(GOOD) + line(301, 200, "UPE"), ()).outcome == "pass"
    assert told(answers, lines(GOOD) + line(301, 200), [line(301, 200, "UPE")]).outcome == "fail"


def test_what_was_answered_and_never_executed_is_a_failure() -> None:
    assert executed(GOOD[:1], [""], 2).outcome == "fail"


def test_nothing_is_executed_more_often_than_its_retries_allow() -> None:
    get, post = [Answer(1, "GET", 200)], [Answer(1, "POST", 200)]
    assert executed(get, ["1\n1\n", "1\n"], 2).outcome == "pass"
    assert executed(get, ["1\n1\n", "1\n1\n"], 2).outcome == "fail"
    assert executed(post, ["1\n", "1\n"], 2).outcome == "fail"
    assert executed(post, ["1\n", "1\n"], 2, repeats_posts=True).outcome == "pass"


def test_what_nobody_asked_for_is_a_failure() -> None:
    assert executed(GOOD, ["".join(f"{answer.number}\n" for answer in GOOD) + "999\n"], 2).outcome == "fail"


def test_memory_that_grows_is_a_failure() -> None:
    flat, grows = [2**26] * 40, [2**26 + step * MAX_GROWTH_BYTES // 10 for step in range(40)]
    assert memory_is_flat({"a": Watched(flat)}).outcome == "pass"
    assert memory_is_flat({"a": Watched(flat), "b": Watched(grows)}).outcome == "fail"
    assert memory_is_flat({"a": Watched(flat[:3])}).outcome == "inconclusive"


def test_descriptors_that_are_left_are_a_failure() -> None:
    assert descriptors_are_back({"a": Watched([], 20, 40)}, 16).outcome == "pass"
    assert descriptors_are_back({"a": Watched([], 20, 60)}, 16).outcome == "fail"


def test_an_exception_in_a_log_is_a_failure() -> None:
    assert nothing_unhandled({"a.log": "fine\n"}).outcome == "pass"
    cry = "Traceback (most recent call last)"
    assert nothing_unhandled({"a.log": "fine\n", "b.log": f"{cry}:\n  ..."}).outcome == "fail"
