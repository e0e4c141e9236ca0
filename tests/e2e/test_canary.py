"""The canary lab passes on every runtime with every engine; each sabotaged twin fails for its reason."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import pytest

pytestmark = pytest.mark.lab

# sabotage -> the check that must fail, and its reason
REASONS = {
    "weights": ("5 % at v2", r"\d+ of 1684 to v2 = (1[5-9]|2\d)\.\d+%.* but 5% allows 44-131"),
    "regex": (
        "iPhones at v2, others at v1",
        r"expected v2 for user-agent .* got .* \d+ to v1; others: \d+ to v1",
    ),
    "mtls": ("each hop's peer certificate", r"\d+ requests to reviews came without a client certificate"),
    "metric": ("all observers count the same", r"reviews-v1: .*\b(\d+), metric destination (?!\1\b)\d+"),
}


def test_the_canary_passes(start_lab: Callable[..., Any], combination: tuple[str, str]) -> None:
    runtime, dataplane = combination
    run = start_lab("canary", "--runtime", runtime, "--dataplane", dataplane, "--seed", "11").finish()
    assert run.status == 0, run.output
    report = run.report
    assert (report["outcome"], report["runtime"], report["dataplane"], report["seed"]) == (
        "pass",
        runtime,
        dataplane,
        11,
    )
    assert sorted({step["letter"] for step in report["steps"]}) == list("abcdefg")
    suite = ElementTree.parse(run.folder / "junit.xml").getroot()
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    kept = {path.name for path in run.folder.iterdir()}
    assert {"history.jsonl", "report.md", "config", "logs"} <= kept


def test_it_passes_with_two_workers_in_each_sidecar(start_lab: Callable[..., Any]) -> None:
    run = start_lab("canary", "--runtime", "process", "--concurrency", "2", "--seed", "13").finish()
    assert run.status == 0, run.output
    assert "python data plane of 2 workers" in run.output


@pytest.mark.parametrize("sabotage", REASONS)
def test_a_sabotaged_mesh_fails_for_its_reason(
    start_lab: Callable[..., Any], combination: tuple[str, str], sabotage: str
) -> None:
    runtime, dataplane = combination
    mesh = ("--runtime", runtime, "--dataplane", dataplane)
    run = start_lab("canary", *mesh, "--seed", "12", "--sabotage", sabotage, "--fail-fast").finish()
    assert run.status == 1, run.output
    ((check, reason),) = run.verdicts("fail")
    expected_check, expected_reason = REASONS[sabotage]
    assert check == expected_check
    assert re.search(expected_reason, reason), reason
    assert run.verdicts("inconclusive") == []


def test_two_runs_stand_side_by_side(start_lab: Callable[..., Any]) -> None:
    labs = [start_lab("canary", "--runtime", "process", "--seed", seed) for seed in ("14", "15")]
    for lab in labs:
        run = lab.finish()
        assert run.status == 0, run.output
