"""What a check concludes: pass, fail or inconclusive, with its numbers and one sentence why. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Outcome = Literal["pass", "fail", "inconclusive"]
Number = str | int | float | bool

EXIT_STATUS: Mapping[Outcome, int] = {"pass": 0, "fail": 1, "inconclusive": 2}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check's conclusion. ``check`` says what must hold; ``reason`` what was seen."""

    check: str
    outcome: Outcome
    reason: str
    numbers: Mapping[str, Number] = field(default_factory=dict)


def passed(check: str, reason: str, **numbers: Number) -> Verdict:
    return Verdict(check, "pass", reason, numbers)


def failed(check: str, reason: str, **numbers: Number) -> Verdict:
    return Verdict(check, "fail", reason, numbers)


def inconclusive(check: str, reason: str, **numbers: Number) -> Verdict:
    """It could not be measured: neither proven nor refuted."""
    return Verdict(check, "inconclusive", reason, numbers)


def overall(verdicts: Iterable[Verdict]) -> Outcome:
    """Fail if anything failed, else inconclusive if anything was not measured or nothing was checked."""
    outcomes = [verdict.outcome for verdict in verdicts]
    if "fail" in outcomes:
        return "fail"
    return "inconclusive" if "inconclusive" in outcomes or not outcomes else "pass"
