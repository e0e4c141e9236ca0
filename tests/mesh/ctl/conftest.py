"""A control plane and one sidecar, as processes; and meshctl to ask them, in this process."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mesh.ctl.app import run
from mesh.ctl.options import CONTROL_PLANE_ENV, TOKEN_FILE_ENV

# addresses of this test run alone: made of the process id
_PID = os.getpid()
NET = f"{_PID >> 8 & 0xFF}.{_PID & 0xFF or 1}"
CONTROL_PLANE, SIDECAR, APP = f"127.60.{NET}", f"127.61.{NET}", f"127.62.{NET}"
MESHCTL = (sys.executable, "-m", "mesh.ctl.main")
DEADLINE_S = 30.0


@dataclass
class Mesh:
    """``url`` and ``data_dir`` of the control plane; pod ``reviews-v1-0`` has a sidecar."""

    data_dir: Path
    url: str = f"http://{CONTROL_PLANE}:15014"
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *command: str) -> None:
        log = (self.data_dir.parent / f"{len(self.processes)}.log").open("wb")
        with log:
            self.processes.append(subprocess.Popen([*MESHCTL, *command], stdout=log, stderr=log))

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def until(what: str, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"not in {DEADLINE_S} s: {what}"
        time.sleep(0.05)


def answers(host: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    folder = tmp_path_factory.mktemp("mesh")
    made = Mesh(folder / "data")
    try:
        made.start("control-plane", "--address", CONTROL_PLANE, "--data-dir", str(made.data_dir))
        until("the control plane", lambda: answers(CONTROL_PLANE, 15014, "/ready"))
        token = folder / "token"
        create = [*MESHCTL, "token", "create", "bookinfo-reviews", "--data-dir", str(made.data_dir)]
        token.write_bytes(subprocess.run(create, stdout=subprocess.PIPE, check=True).stdout)
        made.start(
            *("proxy", "--name", "reviews-v1-0", "--service-account", "bookinfo-reviews"),
            *("--workload", "reviews-v1", "--labels", "app=reviews,version=v1", "--service", "reviews"),
            *("--port", "http:9080", "--address", SIDECAR, "--app-address", APP, "--admin-address", SIDECAR),
            *("--interception", "NONE", "--control-plane", f"{CONTROL_PLANE}:15012", "--drain-duration", "0"),
            *("--root-cert", str(made.data_dir / "citadel" / "root-cert.pem"), "--token-file", str(token)),
            *("--run-dir", str(folder)),
        )
        until("the sidecar", lambda: answers(SIDECAR, 15021, "/healthz/ready"))
        yield made
    finally:
        made.stop()


@dataclass
class Said:
    status: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        """A table's lines, by its columns' gap."""
        return [
            [cell.strip() for cell in line.split("   ") if cell.strip()] for line in self.out.splitlines()
        ]


Meshctl = Callable[..., Said]


@pytest.fixture
def meshctl(capsys: pytest.CaptureFixture[str]) -> Meshctl:
    """Run a command line; no control plane is known to it."""

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        status = run(arguments)
        return Said(status, *capsys.readouterr())

    return call


@pytest.fixture
def in_mesh(mesh: Mesh, meshctl: Meshctl, monkeypatch: pytest.MonkeyPatch) -> Iterator[Meshctl]:
    """meshctl with the control plane in its environment; what a test applied is deleted after it."""
    monkeypatch.setenv(CONTROL_PLANE_ENV, mesh.url)
    monkeypatch.setenv(TOKEN_FILE_ENV, str(mesh.data_dir / "admin-token"))
    yield meshctl
    for one in json.loads(meshctl("get", "all", "-A", "-o", "json").out)["items"]:
        where = one["metadata"]
        assert meshctl("delete", one["kind"], where["name"], "-n", where["namespace"], "--wait").status == 0
