"""One child process of a run: started on a leash, stopped for certain, read line by line.

The leash is PR_SET_PDEATHSIG: if the run is killed outright, the kernel kills its children.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import psutil

from labs.harness.runtime import Identity, RuntimeFailure

PR_SET_PDEATHSIG = 1  # linux/prctl.h
STOP_TIMEOUT_S = 10.0  # from SIGTERM to SIGKILL
_libc = ctypes.CDLL(None, use_errno=True)


def _leash(parent: int) -> None:
    """In the child, before exec: die with the run; and die now if it died meanwhile."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def clean_environment() -> dict[str, str]:
    """Ours, without proxy settings: the mesh's traffic goes where the lab sends it, gRPC's too."""
    return {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}


class Child:
    """A running command. Its own session, so that a terminal's Ctrl-C reaches only the run."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @classmethod
    async def start(
        cls, name: str, argv: Sequence[str], log: Path, env: Mapping[str, str], piped: bool = False
    ) -> Child:
        """Start it; the log gets standard error, and standard output unless that is ``piped`` to `lines`."""
        parent = os.getpid()
        words = [sys.executable if word == "python" and not at else word for at, word in enumerate(argv)]
        with log.open("ab") as out:
            try:
                process = await asyncio.create_subprocess_exec(
                    *words,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE if piped else out,
                    stderr=out,
                    env=clean_environment() | {"PYTHONUNBUFFERED": "1"} | dict(env),
                    start_new_session=True,
                    preexec_fn=lambda: _leash(parent),
                    limit=1 << 20,
                )
            except OSError as error:
                raise RuntimeFailure(f"{name}: cannot start {words[0]}: {error}") from error
        return cls(name, process, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    def check(self) -> None:
        """Raises RuntimeFailure with the end of its log when it has ended."""
        if not self.running:
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-5:])
            raise RuntimeFailure(f"{self.name} ended with status {self._process.returncode}:\n{tail}")

    def identity(self) -> Identity:
        self.check()
        return Identity(str(self.pid), start_time(self.pid))

    async def lines(self) -> AsyncIterator[str]:
        assert self._process.stdout is not None, "started without piped=True"
        async for line in self._process.stdout:
            yield line.decode(errors="replace").rstrip("\r\n")

    async def wait(self) -> int:
        return await self._process.wait()

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        if self.running:
            self._process.kill()
        await self.wait()

    async def stop(self) -> int:
        if self.running:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                await self.kill()
        return await self.wait()

    def memory(self) -> int:
        """Bytes of the process and all below it: proportional set size, resident size if that is not told."""
        if not self.running:
            return 0
        try:
            below = psutil.Process(self.pid).children(recursive=True)
        except psutil.Error:
            return 0
        return sum(_memory(pid) for pid in (self.pid, *(process.pid for process in below)))


def start_time(pid: int) -> str:
    """The kernel's start time of a process in clock ticks since boot: field 22 of /proc/<pid>/stat."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2]
    return after_name.split()[19]


def _memory(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
        return psutil.Process(pid).memory_info().rss
    except (OSError, psutil.Error):
        return 0
