"""Ctrl-C at any moment of a lab leaves nothing behind: no process, container, network or temporary file."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mesh.platform.docker.engine import OWNER_LABEL

ROOT = Path(__file__).parents[2]
DEADLINE_S = 120
# what the lab prints when it has come to a point; "" is at once, before it could say anything
MOMENTS = ("", "canary:", "seed", "up in", "n = 1684", "99.9% interval", "applied canary-50.yaml")


class LabProcess:
    """``meshctl lab run canary``, whose descendants can be told from all other processes by a mark."""

    def __init__(self, runtime: str, runs: Path) -> None:
        self._mark = f"MESH_TEST_MARK={secrets.token_hex(8)}"
        name, _, value = self._mark.partition("=")
        command = ("-m", "mesh.ctl.main", "lab", "run", "canary", "--runtime", runtime, "--runs", str(runs))
        self._process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=os.environ | {name: value, "PYTHONUNBUFFERED": "1", "TMPDIR": str(runs)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # who runs us in the background has us ignore SIGINT, and what we start would, too
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, text: str) -> None:
        """Read its output until ``text`` comes."""
        assert self._process.stdout is not None
        seen = ""
        while text and text not in seen:
            line = self._process.stdout.readline()
            assert line, f"it ended before it said {text!r}:\n{seen}"
            seen += line

    def interrupt(self) -> tuple[int, str]:
        """Ctrl-C; its exit status and what it still said."""
        self._process.send_signal(signal.SIGINT)
        rest, _ = self._process.communicate(timeout=DEADLINE_S)
        return self._process.returncode, rest

    def kin(self) -> list[str]:
        """The command lines of all that carry the mark and still run."""
        found = []
        for process in psutil.process_iter():
            try:
                if self._mark in Path(f"/proc/{process.pid}/environ").read_text(errors="replace"):
                    found.append(" ".join(process.cmdline()))
            except (OSError, psutil.Error):
                continue
        return found

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


@pytest.fixture
def runs() -> Iterator[Path]:
    """Short, because Unix sockets are made below it."""
    with tempfile.TemporaryDirectory(prefix="e2e-") as folder:
        yield Path(folder)


def left_in_the_engine(pid: int) -> list[str]:
    """The ids of what the engine holds of the lab that ran as ``pid``: containers, networks, volumes."""
    found = []
    for what in (("ps", "-a"), ("network", "ls"), ("volume", "ls")):
        listed = ("--filter", f"label={OWNER_LABEL}", "--format", f'{{{{.Label "{OWNER_LABEL}"}}}}')
        output = subprocess.run(["docker", *what, *listed], capture_output=True, text=True, check=True).stdout
        found += [line for line in output.splitlines() if f"/{pid}/" in line]
    return found


def interrupted(runtime: str, moment: str, runs: Path) -> int:
    """Interrupt the lab at that moment, look for what it left; answers the pid it had."""
    lab = LabProcess(runtime, runs)
    try:
        lab.wait_for(moment)
        assert lab.kin(), "the lab itself carries the mark"
        status, said = lab.interrupt()
        # at once, it is the interpreter's own start that is interrupted, which ends as it likes
        assert status == 130 if moment else status != 0, said
        assert "Traceback" not in said or not moment, said
        assert not lab.kin()
        assert [path.name for path in runs.iterdir() if path.name != "canary"] == []
    finally:
        lab.end()
    return lab.pid


@pytest.mark.lab
@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_leaves_no_process_and_no_temporary_file(moment: str, runs: Path) -> None:
    interrupted("process", moment, runs)


@pytest.mark.lab
@pytest.mark.docker
@pytest.mark.parametrize("moment", ["seed", "up in", "99.9% interval"])
def test_ctrl_c_leaves_no_container_and_no_network(moment: str, runs: Path, docker_engine: None) -> None:
    assert not left_in_the_engine(interrupted("docker", moment, runs))
