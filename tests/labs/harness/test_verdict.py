from __future__ import annotations

import pytest

from labs.harness.verdict import EXIT_STATUS, failed, inconclusive, overall, passed

OK, BAD, UNSURE = passed("c", "r"), failed("c", "r"), inconclusive("c", "r")


@pytest.mark.parametrize(
    ("verdicts", "outcome", "status"),
    [
        ([OK, OK], "pass", 0),
        ([OK, BAD, UNSURE], "fail", 1),
        ([OK, UNSURE], "inconclusive", 2),
        ([], "inconclusive", 2),
    ],
)
def test_the_worst_verdict_decides_and_nothing_checked_is_nothing_proven(
    verdicts: list[object], outcome: str, status: int
) -> None:
    assert overall(verdicts) == outcome  # type: ignore[arg-type]
    assert EXIT_STATUS[outcome] == status  # type: ignore[index]
