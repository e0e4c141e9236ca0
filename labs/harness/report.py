"""What a run leaves behind: report.json for programs, junit.xml for CI, report.md for people."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from labs.harness.verdict import Number, Outcome, Verdict, overall


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a lab, when it is over."""

    letter: str
    title: str
    seconds: float
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Result:
    """One run of a lab. ``facts`` are measurements without a verdict, by name."""

    lab: str
    runtime: str
    dataplane: str
    seed: int
    sabotage: str
    started: str  # ISO 8601, UTC
    seconds: float
    steps: tuple[Step, ...]
    facts: Mapping[str, Number] = field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        return overall(verdict for step in self.steps for verdict in step.verdicts)


def to_json(result: Result) -> str:
    return json.dumps({"outcome": result.outcome, **asdict(result)}, indent=2) + "\n"


def to_junit(result: Result) -> str:
    """One test case a check; inconclusive is an error: the test itself did not work."""
    suite = ElementTree.Element("testsuite", name=f"lab.{result.lab}", time=f"{result.seconds:.3f}")
    counts = {"pass": 0, "fail": 0, "inconclusive": 0}
    for step in result.steps:
        for verdict in step.verdicts:
            counts[verdict.outcome] += 1
            suite.append(_test_case(result, step, verdict))
    suite.set("tests", str(sum(counts.values())))
    suite.set("failures", str(counts["fail"]))
    suite.set("errors", str(counts["inconclusive"]))
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _test_case(result: Result, step: Step, verdict: Verdict) -> ElementTree.Element:
    name = f"{step.letter}. {verdict.check}"
    case = ElementTree.Element("testcase", classname=f"lab.{result.lab}", name=name)
    case.set("time", f"{step.seconds / len(step.verdicts):.3f}")
    if verdict.outcome == "pass":
        ElementTree.SubElement(case, "system-out").text = verdict.reason
    else:
        kind = "failure" if verdict.outcome == "fail" else "error"
        ElementTree.SubElement(case, kind, message=verdict.reason)
    return case


def to_markdown(result: Result) -> str:
    lines = [
        f"# {result.lab}: {result.outcome}",
        "",
        f"{result.runtime} runtime, {result.dataplane} data plane, seed {result.seed}, "
        f"{result.started}, {result.seconds:.1f} s"
        + (f", sabotaged: {result.sabotage}" * bool(result.sabotage)),
        "",
        "| step | what must hold | verdict | what was seen |",
        "|---|---|---|---|",
    ]
    for step in result.steps:
        for verdict in step.verdicts:
            seen = verdict.reason.replace("|", "\\|").replace("\n", " ")
            lines.append(f"| {step.letter} | {verdict.check} | {verdict.outcome} | {seen} |")
    lines += ["", *(f"- {name}: {fact}" for name, fact in result.facts.items())]
    return "\n".join(lines) + "\n"


def write(result: Result, folder: Path) -> None:
    (folder / "report.json").write_text(to_json(result))
    (folder / "junit.xml").write_text(to_junit(result))
    (folder / "report.md").write_text(to_markdown(result))
