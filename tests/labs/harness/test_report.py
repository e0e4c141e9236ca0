from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

from labs.harness import report
from labs.harness.report import Result, Step
from labs.harness.verdict import failed, inconclusive, passed

RESULT = Result(
    lab="canary",
    runtime="process",
    dataplane="python",
    seed=7,
    sabotage="weights",
    started="2026-01-01T00:00:00+00:00",
    seconds=12.5,
    steps=(
        Step("a", "All to v1", 2.0, (passed("all at v1", "200 of 200", requests=200),)),
        Step("b", "5 %", 3.0, (failed("5 % at v2", "20 | 80 & <more>"), inconclusive("c", "too few"))),
    ),
    facts={"memory": "400 MiB"},
)


def test_json_holds_outcome_seed_and_numbers() -> None:
    raw = json.loads(report.to_json(RESULT))
    assert (raw["outcome"], raw["seed"], raw["sabotage"]) == ("fail", 7, "weights")
    assert raw["steps"][0]["verdicts"][0]["numbers"] == {"requests": 200}


def test_junit_counts_failures_and_errors() -> None:
    suite = ElementTree.fromstring(report.to_junit(RESULT))
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("3", "1", "1")
    assert [case.get("name") for case in suite] == ["a. all at v1", "b. 5 % at v2", "b. c"]
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("message") == "20 | 80 & <more>"


def test_markdown_keeps_its_table() -> None:
    text = report.to_markdown(RESULT)
    assert "| b | 5 % at v2 | fail | 20 \\| 80 & <more> |" in text
    assert "sabotaged: weights" in text
    assert "- memory: 400 MiB" in text


def test_all_three_files_are_written(tmp_path: Path) -> None:
    report.write(RESULT, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["junit.xml", "report.json", "report.md"]
