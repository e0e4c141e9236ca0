"""The life of a lab, on a runtime that only notes what is asked of it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from labs.harness.lab import INTERRUPTED, Lab, LabOptions, run_lab
from labs.harness.run import Run
from labs.harness.runtime import ControlPlane, RuntimeFailure, RuntimeOptions
from labs.harness.screen import Screen
from labs.harness.verdict import failed, inconclusive, passed
from mesh.platform.topology import Topology

Steps = Callable[[Run], Awaitable[None]]


class NotingRuntime:
    name = "process"

    def __init__(self, options: RuntimeOptions) -> None:
        self.options = options
        self.calls: list[str] = []

    async def up(self, topology: Topology) -> None:
        self.calls.append("up")

    async def down(self) -> None:
        self.calls.append("down")

    def entrance(self, pod: str) -> str:
        return f"docker exec {pod}"

    def control_plane(self) -> Any:
        raise RuntimeFailure("not up")


class World:
    """Runs one lab and keeps what came of it."""

    def __init__(self, tmp_path: Path) -> None:
        self.runs = tmp_path / "runs"
        self.topology = tmp_path / "compose.yaml"
        self.topology.write_text("services: {a: {command: [x]}}")
        self.screen = io.StringIO()
        self.deadline_s = 60.0
        self.runtimes: list[NotingRuntime] = []

    async def run(self, steps: Steps, **options: Any) -> int:
        entries = {"odd": {"a": ("python", "-m", "odd")}}
        lab = Lab("a-lab", "?", self.topology, steps, self.deadline_s, {"odd": "?"}, entries)
        screen = Screen(Console(file=self.screen, width=200))
        return await run_lab(lab, LabOptions(seed=7, runs=self.runs, **options), self.make, screen)

    def make(self, options: RuntimeOptions) -> Any:
        self.runtimes.append(NotingRuntime(options))
        return self.runtimes[-1]

    @property
    def folder(self) -> Path:
        (folder,) = (self.runs / "a-lab").iterdir()
        return folder

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def good(run: Run) -> None:
    async with run.step("a", "A"):
        run.check(passed("it works", "yes"))


async def bad_then_good(run: Run) -> None:
    async with run.step("a", "A"):
        run.check(failed("it works", "no"))
    await good(run)


async def unsure(run: Run) -> None:
    async with run.step("a", "A"):
        run.check(inconclusive("it works", "who knows"))


async def breaks(run: Run) -> None:
    async with run.step("a", "A"):
        run.check(passed("it works", "yes"))
        raise RuntimeFailure("reviews-v1's sidecar ended")


async def hangs(run: Run) -> None:
    async with run.step("a", "A"):
        await asyncio.Event().wait()


async def has_a_bug(run: Run) -> None:
    raise KeyError("generation")


@pytest.mark.parametrize(
    ("steps", "status"), [(good, 0), (bad_then_good, 1), (unsure, 2), (breaks, 2), (has_a_bug, 2)]
)
async def test_the_exit_status_is_the_verdict_and_the_mesh_always_goes_down(
    world: World, steps: Steps, status: int
) -> None:
    assert await world.run(steps) == status
    assert world.runtimes[0].calls == ["up", "down"]
    assert {"report.json", "junit.xml", "report.md"} <= {path.name for path in world.folder.iterdir()}
    assert str(world.folder) in world.screen.getvalue()


async def test_what_broke_off_is_reported_beside_what_was_proven(world: World) -> None:
    await world.run(breaks)
    first, second = world.report()["steps"]
    assert first["verdicts"][0]["outcome"] == "pass"
    assert "reviews-v1's sidecar ended" in second["verdicts"][0]["reason"]


async def test_a_lab_that_hangs_ends_at_its_deadline(world: World) -> None:
    world.deadline_s = 0.05
    assert await world.run(hangs) == 2
    assert "took longer than 0.05 s" in world.screen.getvalue()
    assert world.runtimes[0].calls == ["up", "down"]


async def test_a_bug_of_the_lab_leaves_its_traceback(world: World) -> None:
    await world.run(has_a_bug)
    assert "KeyError" in (world.folder / "traceback.txt").read_text()


@pytest.mark.parametrize(("fail_fast", "steps"), [(False, 2), (True, 1)])
async def test_a_run_goes_on_after_a_failure_unless_told_otherwise(
    world: World, fail_fast: bool, steps: int
) -> None:
    assert await world.run(bad_then_good, fail_fast=fail_fast) == 1
    assert len(world.report()["steps"]) == steps


async def test_a_sabotage_changes_how_a_sidecar_starts(world: World) -> None:
    await world.run(good, sabotage="odd")
    assert world.runtimes[0].options.sidecar_entry == {"a": ("python", "-m", "odd")}
    assert world.report()["sabotage"] == "odd"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_ends_the_run_and_takes_everything_down(world: World, number: int) -> None:
    async def interrupted(run: Run) -> None:
        async with run.step("a", "A"):
            os.kill(os.getpid(), number)
            await asyncio.Event().wait()

    assert await world.run(interrupted) == INTERRUPTED
    assert world.runtimes[0].calls == ["up", "down"]
    assert not (world.folder / "report.json").exists()


async def test_a_kept_mesh_stays_until_the_signal_and_keeps_its_verdict(world: World) -> None:
    async def good_then_signal(run: Run) -> None:
        await good(run)
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGINT)
        where = ControlPlane("http://127.80.0.1:15014", "", "secret", "")
        run.runtime.control_plane = lambda: where  # type: ignore[method-assign]

    assert await world.run(good_then_signal, keep=True) == 0
    assert world.runtimes[0].calls == ["up", "down"]
    assert f". {world.folder}/env.sh" in world.screen.getvalue()
    assert not (world.folder / "env.sh").exists()
    assert not (world.folder / "admin-token").exists()
