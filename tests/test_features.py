"""What docs/features.md says of the code is so: each test that it names is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = [
    line.strip("|\n ").split(" | ")
    for line in (ROOT / "docs/features.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| feature")
]


def functions_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, functions)}


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:60] for row in ROWS])
def test_a_feature_is_proven_by_tests_that_exist(row: list[str]) -> None:
    assert len(row) == 5, "expected: feature | field | python | envoy | proven by"
    named = re.findall(r"`(tests/[^`]+)`", row[4])
    assert named, "no test proves it"
    for name in named:
        file, _, test = name.partition("::")
        assert (ROOT / file).exists(), f"{file} is not there"
        assert not test or test in functions_in(ROOT / file), f"{test} is not in {file}"
