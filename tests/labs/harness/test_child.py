from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from labs.harness import child
from labs.harness.child import Child
from labs.harness.eventually import eventually
from labs.harness.runtime import RuntimeFailure

SLEEPER = ["python", "-c", "import time; print('up', flush=True); time.sleep(60)"]


async def gone(pid: int) -> None:
    async def probe() -> bool | None:
        return True if not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie" else None

    await eventually(f"the end of {pid}", probe, 10.0)


async def test_lines_come_while_it_runs_and_stop_ends_it(tmp_path: Path) -> None:
    started = await Child.start("sleeper", SLEEPER, tmp_path / "log", {}, piped=True)
    assert await anext(started.lines()) == "up"
    assert started.running
    assert await started.stop() == -signal.SIGTERM
    assert await started.stop() == -signal.SIGTERM, "stopping twice is harmless"


async def test_one_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "STOP_TIMEOUT_S", 0.2)
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    deaf = await Child.start("deaf", ["python", "-c", code], tmp_path / "log", {}, piped=True)
    assert await anext(deaf.lines()) == "up"
    assert await deaf.stop() == -signal.SIGKILL


async def test_an_early_end_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    broken = await Child.start(
        "broken", ["python", "-c", "raise SystemExit('no such port')"], tmp_path / "log", {}
    )
    await broken.wait()
    with pytest.raises(RuntimeFailure, match="broken ended with status 1:\nno such port"):
        broken.check()


async def test_a_command_that_does_not_exist_is_a_failure_of_the_runtime(tmp_path: Path) -> None:
    with pytest.raises(RuntimeFailure, match="cannot start"):
        await Child.start("none", ["/no/such/command"], tmp_path / "log", {})


async def test_identity_changes_with_a_restart_and_only_then(tmp_path: Path) -> None:
    first = await Child.start("one", SLEEPER, tmp_path / "log", {})
    assert first.identity() == first.identity()
    second = await Child.start("two", SLEEPER, tmp_path / "log", {})
    assert first.identity() != second.identity()
    assert first.memory() > 1_000_000
    for one in (first, second):
        await one.stop()
    with pytest.raises(RuntimeFailure):
        first.identity()
    assert first.memory() == 0


async def test_proxy_settings_of_the_environment_do_not_leak_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "*")
    code = "import os; print(sorted(k for k in os.environ if k.lower().endswith('_proxy')))"
    env = {"HTTP_PROXY": "http://127.0.0.1:2"}
    started = await Child.start("env", ["python", "-c", code], tmp_path / "log", env, piped=True)
    assert [line async for line in started.lines()] == ["['HTTP_PROXY']"]
    await started.wait()


async def test_children_die_with_a_run_that_is_killed_outright(tmp_path: Path) -> None:
    code = f"""
import asyncio, pathlib
from labs.harness.child import Child
async def main():
    child = await Child.start("sleeper", {SLEEPER!r}, pathlib.Path({str(tmp_path / "log")!r}), {{}})
    print(child.pid, flush=True)
    await child.wait()
asyncio.run(main())
"""
    run = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    assert run.stdout is not None
    pid = int(await run.stdout.readline())
    os.kill(run.pid, signal.SIGKILL)
    await run.wait()
    await gone(pid)
