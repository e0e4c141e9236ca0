"""The gateway lab passes on every runtime with every engine; each sabotaged twin fails for its reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.lab

# sabotage -> the check that must fail, and its reason
REASONS = {
    "redirect": ("301 to the same address under https", r"expected 301 to https://\S+, got 200"),
    "mutual": ("who shows none is refused", r"expected no answer, got status 200"),
    "passthrough": (
        "the vault answers under its own certificate",
        r"expected status 200, certificate of vault itself, got status 404, certificate of shop, first",
    ),
    "origination": ("bank.example answers, bank", r"^0 of 40$"),
    "egress": (
        "every request after the rule, and none before it, is in the gateway's log",
        r"0 of 40 after the rule, 0 of 40 before it",
    ),
}


def test_the_gateways_pass(start_lab: Callable[..., Any], combination: tuple[str, str]) -> None:
    runtime, dataplane = combination
    run = start_lab("gateway", "--runtime", runtime, "--dataplane", dataplane, "--seed", "11").finish()
    assert run.status == 0, run.output
    assert sorted({step["letter"] for step in run.report["steps"]}) == list("abcdefg")


def test_they_pass_with_two_workers_in_each_proxy(start_lab: Callable[..., Any]) -> None:
    run = start_lab("gateway", "--runtime", "process", "--concurrency", "2", "--seed", "13").finish()
    assert run.status == 0, run.output


@pytest.mark.parametrize("dataplane", ["python", pytest.param("envoy", marks=pytest.mark.envoy)])
@pytest.mark.parametrize("sabotage", REASONS)
def test_a_sabotaged_gateway_fails_for_its_reason(
    start_lab: Callable[..., Any], dataplane: str, sabotage: str
) -> None:
    mesh = ("--runtime", "process", "--dataplane", dataplane)
    run = start_lab("gateway", *mesh, "--seed", "12", "--sabotage", sabotage, "--fail-fast").finish()
    assert run.status == 1, run.output
    ((check, reason),) = run.verdicts("fail")
    expected_check, expected_reason = REASONS[sabotage]
    assert check == expected_check
    assert re.search(expected_reason, reason), reason
