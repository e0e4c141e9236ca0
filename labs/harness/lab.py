"""The life of a lab: folder -> up -> steps -> report -> down; and down, whenever it is stopped."""

from __future__ import annotations

import asyncio
import os
import secrets
import shlex
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from labs.harness import report
from labs.harness.eventually import NotInTime
from labs.harness.report import Result, Step
from labs.harness.run import CLIENT, Run, Stopped
from labs.harness.runtime import Runtime, RuntimeFailure, RuntimeOptions
from labs.harness.screen import Screen
from labs.harness.verdict import EXIT_STATUS, inconclusive
from mesh.model.node import Engine
from mesh.platform.topology import read_topology

INTERRUPTED = 130  # 128 + SIGINT, as shells have it: there is no verdict
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Lab:
    """One lab. ``sabotages``: name -> what is broken, and with it the run must fail."""

    name: str
    question: str
    topology: Path  # a compose file
    steps: Callable[[Run], Awaitable[None]]
    deadline_s: float = 600.0  # of all steps together: a lab that hangs is inconclusive
    sabotages: Mapping[str, str] = field(default_factory=dict)
    # sabotage -> workload -> the command its sidecar starts through, instead of meshctl
    sidecar_entry: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LabOptions:
    """What the command line says."""

    seed: int
    dataplane: Engine = "python"
    concurrency: int = 1
    sabotage: str = ""
    fail_fast: bool = False
    keep: bool = False
    runs: Path = Path("labs/.runs")


def new_folder(runs: Path, lab: str) -> Path:
    """``<runs>/<lab>/<stamp>-<id>``, made; readable by its owner only, as logs may hold what users sent."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    folder = runs / lab / f"{stamp}-{secrets.token_hex(2)}"
    folder.mkdir(parents=True, mode=0o700)
    return folder.resolve()


async def run_lab(
    lab: Lab, options: LabOptions, make_runtime: Callable[[RuntimeOptions], Runtime], screen: Screen
) -> int:
    """Run it; the exit status: 0 pass, 1 fail, 2 inconclusive, 130 interrupted."""
    folder = new_folder(options.runs, lab.name)
    runtime = make_runtime(
        RuntimeOptions(
            folder,
            options.dataplane,
            options.concurrency,
            sidecar_entry=lab.sidecar_entry.get(options.sabotage, {}),
        )
    )
    run = Run(
        runtime=runtime,
        topology=read_topology(lab.topology.read_text()),
        folder=folder,
        screen=screen,
        seed=options.seed,
        sabotage=options.sabotage,
        fail_fast=options.fail_fast,
    )
    result = None
    started, clock = datetime.now(UTC), time.monotonic()
    async with screen:
        try:
            if await _until_stopped(_steps(lab, run), screen):
                result = _result(lab, options, run, started, time.monotonic() - clock)
                report.write(result, folder)
                if options.keep:
                    await _until_stopped(_keep(run), screen)
        finally:
            screen.doing("taking the mesh down")
            await runtime.down()
    if result is None:
        screen.line(f"\n[yellow]interrupted[/]: everything is stopped; logs: {folder}")
        return INTERRUPTED
    screen.end(result, folder)
    return EXIT_STATUS[result.outcome]


def _result(lab: Lab, options: LabOptions, run: Run, started: datetime, seconds: float) -> Result:
    return Result(
        lab=lab.name,
        runtime=run.runtime.name,
        dataplane=options.dataplane,
        seed=options.seed,
        sabotage=options.sabotage,
        started=started.isoformat(timespec="seconds"),
        seconds=seconds,
        steps=tuple(run.steps),
        facts=run.facts,
    )


async def _steps(lab: Lab, run: Run) -> None:
    """Up and through the steps; what breaks becomes an inconclusive verdict with its reason."""
    started = time.monotonic()
    try:
        run.screen.doing(f"starting the control plane and {len(run.topology.workloads)} pods")
        await run.runtime.up(run.topology)
        run.screen.note(
            f"control plane and {len(run.topology.workloads)} pods up in {time.monotonic() - started:.1f} s"
        )
        async with asyncio.timeout(lab.deadline_s):
            await lab.steps(run)
    except TimeoutError:
        _broke_off(run, f"its steps took longer than {lab.deadline_s:g} s", time.monotonic() - started)
    except Stopped:
        run.screen.note("stopped at the first failure, as asked")
    except (RuntimeFailure, NotInTime) as broken:
        _broke_off(run, str(broken), time.monotonic() - started)
    except Exception as bug:
        (run.folder / "traceback.txt").write_text(traceback.format_exc())
        _broke_off(run, f"{type(bug).__name__}: {bug} (see traceback.txt)", time.monotonic() - started)


async def _keep(run: Run) -> None:
    """Leave the mesh to its user until a signal comes, and say how to get at it."""
    where = run.runtime.control_plane()
    token = run.folder / "admin-token"
    token.touch(mode=0o600)
    token.write_text(where.admin_token)
    entry = run.folder / "env.sh"
    variables = {
        "MESH_CONTROL_PLANE": where.http,
        "MESH_TOKEN_FILE": str(token),
        "CLIENT": run.runtime.entrance(CLIENT),
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
    }
    for workload in run.topology.servers():  # how to knock at each from outside the mesh
        name = workload.name.upper().replace("-", "_")
        variables[name] = f"http://{run.runtime.address(workload.name)}:{workload.ports[0].number}"
    for workload in run.topology.workloads:
        if workload.type == "router":
            name = workload.name.upper().replace("-", "_")
            variables[f"{name}_ADDRESS"] = run.runtime.address(workload.name)
    entry.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items()))
    run.screen.line("\nThe mesh stays up until Ctrl-C. In another terminal:")
    run.screen.line(f"  . {entry}")
    try:
        await asyncio.Event().wait()
    finally:
        token.unlink()
        entry.unlink()


def _broke_off(run: Run, reason: str, seconds: float) -> None:
    """What could not be carried out has proven nothing, either way."""
    verdict = inconclusive("the lab could be carried out", reason)
    run.screen.verdict(verdict)
    run.steps.append(Step("-", "broke off", seconds, (verdict,)))


async def _until_stopped(body: Coroutine[Any, Any, object], screen: Screen) -> bool:
    """Await the body; a signal cancels it, once: what follows is the clean-up. False if it was stopped."""
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(body, name="lab")
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, _stop, task, screen)
    try:
        await task
    except asyncio.CancelledError:
        return False
    return True


def _stop(task: asyncio.Task[object], screen: Screen) -> None:
    screen.doing("stopped by a signal: taking the mesh down")
    task.cancel()
