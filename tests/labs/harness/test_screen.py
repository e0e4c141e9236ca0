from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from labs.harness.report import Result, Step
from labs.harness.screen import Screen
from labs.harness.verdict import failed, inconclusive, passed

RESULT = Result(
    "canary", "process", "python", 7, "", "2026-01-01T00:00:00+00:00", 12.5,
    (
        Step("a", "A", 2.0, (passed("every request at v1", "200 of 200 [requests] to v1"),)),
        Step("b", "B", 123.4, (failed("5 % at v2", "long " * 60), inconclusive("c", "who\nknows"))),
    ),
    {"memory": "400 MiB"},
)  # fmt: skip


def shown(width: int) -> list[str]:
    out = io.StringIO()
    Screen(Console(file=out, width=width)).end(RESULT, Path("/runs/1"))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("width", [60, 100, 200])
def test_the_table_has_one_line_a_check_with_letter_verdict_and_measure(width: int) -> None:
    lines = shown(width)
    first, second, third = lines[2:5]
    assert first.startswith("a  every request at v1  pass")
    assert "2.0" in first
    assert "123.4" in second
    assert "FAIL" in second
    assert second.rstrip().endswith("…")
    assert "inconclusive" in third
    assert "who knows" in third or width == 60
    assert all(len(line) <= width for line in lines[1:5])


def test_markup_in_what_was_seen_is_only_text() -> None:
    assert any("[requests]" in line for line in shown(120))


def test_the_end_names_verdict_mesh_seed_and_folder() -> None:
    text = "\n".join(shown(120))
    assert "FAIL  canary, process runtime, python data plane, seed 7: 12.5 s" in text
    assert "/runs/1" in text
    assert "memory: 400 MiB" in text


async def test_where_there_is_no_terminal_nothing_flickers() -> None:
    out = io.StringIO()
    async with Screen(Console(file=out, width=80)) as screen:
        screen.doing("sending 5 requests")
        screen.note("applied")
    assert out.getvalue() == "   applied\n"
