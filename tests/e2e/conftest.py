"""Running a lab as its user does: by the command line, and reading the folder it leaves."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from labs.harness.docker_runtime import unavailable
from labs.harness.runtime import Runtime

MESHCTL = [sys.executable, "-m", "mesh.ctl.main"]
TIMEOUT_S = 600
# argv: a URL; prints the status and the body
ASK = """
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=20)
except urllib.error.HTTPError as refused:
    answer = refused
print(answer.status, answer.read().decode("latin-1"))
"""
COMBINATIONS = [
    pytest.param(("process", "python"), id="process-python"),
    pytest.param(("process", "envoy"), id="process-envoy", marks=pytest.mark.envoy),
    pytest.param(("docker", "python"), id="docker-python", marks=pytest.mark.docker),
    pytest.param(("docker", "envoy"), id="docker-envoy", marks=[pytest.mark.docker, pytest.mark.envoy]),
]


@pytest.fixture(params=COMBINATIONS)
def combination(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Every runtime with every data plane."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture
def get() -> Callable[[Runtime, str], Awaitable[str]]:
    """get(mesh, url) -> the status and the body that the application of the pod ``client`` gets."""

    async def ask(mesh: Runtime, url: str) -> str:
        process = await mesh.exec("client", ["python", "-c", ASK, url])
        lines = [line async for line in process.lines()]
        await process.wait()
        return "\n".join(lines)

    return ask


@functools.cache
def no_docker() -> str | None:
    """Why the docker runtime cannot be used; asked once a session, as it may build the image."""
    return unavailable()


@dataclass
class LabRun:
    """One run of a lab that has ended."""

    status: int
    output: str
    folder: Path

    @property
    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "report.json").read_text())
        return found

    def verdicts(self, outcome: str) -> list[tuple[str, str]]:
        """(check, reason) of every verdict with that outcome."""
        return [
            (verdict["check"], verdict["reason"])
            for step in self.report["steps"]
            for verdict in step["verdicts"]
            if verdict["outcome"] == outcome
        ]


class StartedLab:
    """A lab that runs; ``finish`` waits for its end."""

    def __init__(self, argv: list[str], runs: Path) -> None:
        self._runs = runs
        self.process = subprocess.Popen(
            [*MESHCTL, "lab", "run", *argv, "--runs", str(runs)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )

    def finish(self) -> LabRun:
        output, _ = self.process.communicate(timeout=TIMEOUT_S)
        folders = sorted(self._runs.glob("*/*"))
        return LabRun(self.process.returncode, output, folders[-1])


@pytest.fixture
def start_lab(tmp_path: Path) -> Iterator[Callable[..., StartedLab]]:
    """``start_lab("canary", "--seed", "1")``; what a failed test leaves running is ended."""
    started: list[StartedLab] = []

    def start(*argv: str) -> StartedLab:
        if "docker" in argv and (reason := no_docker()):
            pytest.skip(f"no Docker here: {reason}")
        started.append(StartedLab(list(argv), tmp_path / f"runs-{len(started)}"))
        return started[-1]

    yield start
    for lab in started:
        if lab.process.poll() is None:
            lab.process.terminate()
            lab.process.communicate(timeout=TIMEOUT_S)
        if lab.process.stdout is not None:
            lab.process.stdout.close()
