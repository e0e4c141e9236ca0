"""The tutorials are true: every command quoted in a ``console`` block is run, and its output compared."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TUTORIALS = sorted((ROOT / "tutorials").glob("*.md"))
BLOCK = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
KEPT_MESH = "--keep"  # the command that starts the mesh all others talk to
COMMAND_TIMEOUT_S = 120

pytestmark = pytest.mark.lab


@dataclass(frozen=True)
class Quoted:
    """A command and the output the page shows for it."""

    command: str
    output: str

    def matches(self, seen: str) -> bool:
        """``...`` in the page stands for anything; runs of blanks count as one."""
        pattern = ".*".join(re.escape(" ".join(part.split(" "))) for part in self.output.split("..."))
        pattern = re.sub(r"(\\ )+", r"\\s+", pattern)
        return re.fullmatch(pattern, seen, re.DOTALL) is not None


def quoted(page: str) -> Iterator[Quoted]:
    for block in BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield Quoted(command, output.strip())


@contextmanager
def mesh_of(page: str, tmp_path: Path) -> Iterator[Path]:
    """The mesh of the page's first command; the answer is its env.sh."""
    _, *words = next(quoted(page)).command.split()
    command = [sys.executable, "-m", "mesh.ctl.main", *words]
    with subprocess.Popen(
        [*command, "--runs", str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            entry = next(line.strip()[2:] for line in process.stdout if line.strip().endswith("env.sh"))
            yield Path(entry)
        finally:
            process.terminate()
            process.communicate(timeout=COMMAND_TIMEOUT_S)


def run(command: str, entry: Path) -> str:
    """Both streams, as a terminal shows them."""
    ended = subprocess.run(
        ["bash", "-c", f". {entry}; {command}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_TIMEOUT_S,
        check=False,
    )
    return ended.stdout.strip()


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_every_quoted_command_gives_the_output_quoted(path: Path, tmp_path: Path) -> None:
    wrong = []
    page = path.read_text()
    with mesh_of(page, tmp_path) as mesh:
        for one in quoted(page):
            if KEPT_MESH not in one.command:
                seen = run(one.command, mesh)
                if not one.matches(seen):
                    wrong.append(f"$ {one.command}\n--- the page says\n{one.output}\n--- but it is\n{seen}")
    assert not wrong, "\n\n".join(wrong)


def test_every_tutorial_starts_a_mesh_and_quotes_commands() -> None:
    assert TUTORIALS
    for path in TUTORIALS:
        first, *others = quoted(path.read_text())
        assert KEPT_MESH in first.command
        assert others
