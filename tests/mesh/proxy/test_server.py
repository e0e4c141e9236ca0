"""A whole sidecar in a process of its own, configured by a whole control plane in another."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from labs.harness.free_port import free_port
from mesh.citadel.tokens import Tokens

DEADLINE_S = 30.0

CONTROL_PLANE = """
import asyncio, logging, sys
from pathlib import Path
from mesh.control_plane.server import Options, run
logging.basicConfig(level="INFO")
data, *ports = sys.argv[1:]
asyncio.run(run(Options(Path(data), "127.0.0.1", (), *map(int, ports))))
"""
# what `meshctl proxy` runs; at the end it says what it had loaded
SIDECAR = """
import atexit, sys
atexit.register(lambda: print("loaded:", *sys.modules))
from mesh.proxy.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
# Each would cost every sidecar megabytes, and nothing it does all day needs it.
HEAVY = {"grpc", "cryptography", "aiohttp", "pydantic", "ruamel", "prometheus_client", "jwt", "typer", "rich"}


@asynccontextmanager
async def program(code: str, arguments: Sequence[object], until: str) -> AsyncIterator[Process]:
    """Running, once it has logged ``until``; killed at the end unless it has ended by itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, *map(str, arguments), stdout=PIPE, stderr=PIPE
    )
    assert process.stderr is not None
    try:
        while until not in (line := (await process.stderr.readline()).decode()):
            assert line, f"it ended without {until!r}"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.fixture
async def sidecar(tmp_path: Path) -> AsyncIterator[Process]:
    """Configured, with its certificate: what it loads for that, it has loaded."""
    ports = [free_port() for _ in range(3)]
    address = f"127.62.{os.getpid() >> 8 & 0xFF}.{os.getpid() & 0xFF}"
    token = tmp_path / "token"
    async with asyncio.timeout(DEADLINE_S), program(CONTROL_PLANE, [tmp_path, *ports], "ready on"):
        token.write_text(Tokens.open(tmp_path).issue("default", "client"))
        flags = {
            "--name": "client-0",
            "--service-account": "client",
            "--workload": "client",
            "--address": address,
            "--admin-address": address,
            "--interception": "NONE",
            "--control-plane": f"127.0.0.1:{ports[1]}",
            "--root-cert": tmp_path / "citadel/root-cert.pem",
            "--token-file": token,
            "--access-log": tmp_path / "access.log",
        }
        words = [word for pair in flags.items() for word in pair]
        async with program(SIDECAR, words, "is configured") as process:
            yield process


async def test_a_running_sidecar_carries_nothing_heavy(sidecar: Process) -> None:
    sidecar.send_signal(signal.SIGTERM)
    assert sidecar.stdout is not None
    said = (await sidecar.stdout.read()).decode()
    loaded = {name.partition(".")[0] for name in said.partition("loaded:")[2].split()}
    assert "mesh" in loaded
    assert not HEAVY & loaded
    assert await sidecar.wait() == 0
