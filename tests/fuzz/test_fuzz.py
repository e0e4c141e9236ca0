"""Every parser against inputs nobody thought of, the same each time; ``make fuzz`` looks for new ones."""

from __future__ import annotations

import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from fuzzing import engines
from fuzzing.catalog import TARGETS
from fuzzing.target import Broken, Target, expect

INPUTS = 1500
SLOW = {"documents": 100}  # a text takes milliseconds
FOUND = sorted((Path(__file__).parent / "found").iterdir())  # what made a target fail once


@pytest.mark.parametrize("name", TARGETS)
def test_every_property_holds_for_seeded_inputs(name: str) -> None:
    assert engines.run_own(TARGETS[name], seed=1, goes_on=lambda n: n < SLOW.get(name, INPUTS)) > 0


@pytest.mark.parametrize("path", FOUND, ids=[path.name for path in FOUND])
def test_what_was_found_once_holds_now(path: Path) -> None:
    TARGETS[path.stem.rpartition("-")[0]].check(path.read_bytes())


def _no_two_zeros(data: bytes) -> None:
    expect(b"00" not in data, "two zeros", data)


PLANTED = Target("planted", _no_two_zeros, (b"12034056",), (b"0",))


def test_a_planted_mistake_is_found_and_repeated_by_its_seed(tmp_path: Path) -> None:
    with pytest.raises(engines.Finding) as found:
        engines.run_own(PLANTED, seed=7, goes_on=lambda n: n < 10_000)
    with pytest.raises(engines.Finding) as again:
        engines.run_own(PLANTED, seed=7, goes_on=lambda n: n < 10_000)
    assert again.value.data == found.value.data
    with pytest.raises(Broken, match="two zeros"):
        PLANTED.check(engines.keep(found.value, PLANTED, tmp_path).read_bytes())


def test_the_same_seed_gives_the_same_inputs_and_another_others() -> None:
    target = TARGETS["http1-request"]
    first, same, other = (list(islice(engines.inputs(target, seed), 60)) for seed in (1, 1, 2))
    assert first == same
    assert first != other


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    paths = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "conformance")]
    argv = [sys.executable, "-m", "fuzzing", "--own", "--seconds=0.2", "--seed=3", "client-hello"]
    ran = subprocess.run(
        argv, cwd=tmp_path, env={"PYTHONPATH": ":".join(paths)}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "seed 3" in ran.stdout
    assert "nothing found" in ran.stdout
