"""One round: a load, and the CPU which the processes under it take meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from labs.harness.runtime import RuntimeFailure
from loadtests.bench.load import WARM_UP_S, Load, LoadResult
from loadtests.bench.measure import Sample

MEASURED_CORE, LOAD_CORE = 0, 1
START_UP_S = 0.5


@dataclass(frozen=True, slots=True)
class Figures:
    """CPU microseconds per request of each process, and what the client saw."""

    cpu_us: tuple[float, ...]
    utilisation: float  # of the core they share, 0..1
    load: LoadResult

    @property
    def total_us(self) -> float:
        return sum(self.cpu_us)


async def measure(name: str, pids: Sequence[int], load: Load) -> Figures:
    """Sample the CPU in the middle of the load. Raises RuntimeFailure when a request fails."""
    running = asyncio.create_task(_run(load))
    await asyncio.sleep(START_UP_S + WARM_UP_S + load.seconds * 0.25)  # both ends stay inside the load
    before = [Sample.take(pid) for pid in pids]
    await asyncio.sleep(load.seconds * 0.5)
    after = [Sample.take(pid) for pid in pids]
    result = await running
    if result.errors or not result.requests:
        raise RuntimeFailure(f"{name}: {result.errors} errors in {result.requests} requests")
    shares = [(b.cpu_s - a.cpu_s) / (b.at_s - a.at_s) for a, b in zip(before, after, strict=True)]
    return Figures(tuple(share / result.rate * 1e6 for share in shares), sum(shares), result)


async def _run(load: Load) -> LoadResult:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "loadtests.bench.load",
        json.dumps(asdict(load)),
        stdout=asyncio.subprocess.PIPE,
    )
    pin(process.pid, LOAD_CORE)
    out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeFailure(f"the load ended with status {process.returncode}")
    return LoadResult(**json.loads(out))


def pin(pid: int, core: int) -> None:
    """All threads of the process; on a machine of one core there is nothing to pin."""
    cores = sorted(os.sched_getaffinity(0))
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), {cores[core % len(cores)]})
