"""CPU time and resident memory of a process, as the kernel counts them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """CPU seconds (user and system) of all the process's live threads so far.

    From ``/proc/<pid>/task/*/schedstat`` (nanoseconds on a CPU): finer than the clock ticks of ``stat``.
    """
    total_ns = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns / 1e9


def resident_bytes(pid: int) -> int:
    """Resident set size in bytes (``VmRSS``)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


@dataclass(frozen=True, slots=True)
class Sample:
    """A process's CPU seconds at a moment of the monotonic clock."""

    cpu_s: float
    at_s: float

    @classmethod
    def take(cls, pid: int) -> Sample:
        return cls(cpu_seconds(pid), time.monotonic())
