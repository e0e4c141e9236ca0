from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from mesh.model.node import Node
from mesh.proxy.agent.envoy_bootstrap import envoy_bootstrap
from mesh.proxy.agent.envoy_process import EnvoyProcess
from mesh.proxy.bootstrap import Bootstrap


@pytest.fixture
def options(tmp_path: Path) -> Bootstrap:
    return Bootstrap("127.0.0.1:1", tmp_path, tmp_path, tmp_path, str(tmp_path / "access.log"))


def script(tmp_path: Path, text: str) -> Path:
    """A program in Envoy's place."""
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def start(tmp_path: Path, node: Node, options: Bootstrap, text: str) -> EnvoyProcess:
    return EnvoyProcess.start(script(tmp_path, text), node, options, tmp_path)


async def test_runs_in_its_directory_with_bootstrap_and_flags(
    tmp_path: Path, node: Node, options: Bootstrap
) -> None:
    envoy = await start(tmp_path, node, replace(options, concurrency=2), 'pwd; echo "$@"')
    await envoy.died()
    directory, flags = (tmp_path / "access.log").read_text().splitlines()
    assert directory == str(tmp_path)
    assert flags.startswith(
        "--config-path envoy.json --concurrency 2 --drain-time-s 45 --drain-strategy immediate"
    )
    assert json.loads((tmp_path / "envoy.json").read_text()) == envoy_bootstrap(node)


async def test_its_output_is_added_to_the_access_log(tmp_path: Path, node: Node, options: Bootstrap) -> None:
    (tmp_path / "access.log").write_text("before\n")
    envoy = await start(tmp_path, node, options, "echo line")
    await envoy.died()
    assert (tmp_path / "access.log").read_text() == "before\nline\n"


@pytest.mark.parametrize(
    ("text", "how"), [("exit 3", "exited with status 3"), ("kill -SEGV $$", "was killed by signal 11")]
)
async def test_says_how_it_died(tmp_path: Path, node: Node, options: Bootstrap, text: str, how: str) -> None:
    envoy = await start(tmp_path, node, options, text)
    assert f"envoy (pid {envoy.pid}) {how}" in str(await envoy.died())


async def test_what_does_not_end_is_killed(
    tmp_path: Path, node: Node, options: Bootstrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mesh.proxy.agent.envoy_process.END_TIMEOUT_S", 0.2)
    os.mkfifo(tmp_path / "up")
    envoy = await start(tmp_path, node, options, "trap '' TERM; echo > up; while :; do sleep 0.05; done")
    await asyncio.wait_for(asyncio.to_thread((tmp_path / "up").read_text), 10)
    await envoy.end()
    with pytest.raises(ProcessLookupError):
        os.kill(envoy.pid, 0)


async def test_ctrl_c_does_not_reach_it(tmp_path: Path, node: Node, options: Bootstrap) -> None:
    envoy = await start(tmp_path, node, options, "exec sleep 60")
    assert os.getsid(envoy.pid) != os.getsid(0)
    os.kill(envoy.pid, signal.SIGKILL)
    await envoy.died()
