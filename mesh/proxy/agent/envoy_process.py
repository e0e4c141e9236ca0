"""The Envoy process: started tied to this one, watched, ended."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mesh.model.node import Node
from mesh.proxy.agent import tether
from mesh.proxy.agent.envoy_bootstrap import arguments, envoy_bootstrap
from mesh.proxy.bootstrap import Bootstrap

CONFIG_FILE = "envoy.json"
END_TIMEOUT_S = 5.0  # between asking it to end and killing it


class EnvoyDiedError(RuntimeError):
    """Envoy ended without being told to."""


class EnvoyProcess:
    """Runs in ``directory``, where the agent's sockets and its bootstrap are."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.pid = process.pid

    @classmethod
    async def start(cls, binary: Path, node: Node, bootstrap: Bootstrap, directory: Path) -> EnvoyProcess:
        """Write the bootstrap and start. Envoy's log goes to our stderr. Raises OSError."""
        (directory / CONFIG_FILE).write_text(json.dumps(envoy_bootstrap(node), indent=1))
        flags = arguments(CONFIG_FILE, bootstrap.concurrency)
        return cls(await _spawn([str(binary), *flags], directory, bootstrap.access_log))

    async def died(self) -> EnvoyDiedError:
        """Wait for its end; the answer says how it ended."""
        status = await self._process.wait()
        how = f"was killed by signal {-status}" if status < 0 else f"exited with status {status}"
        return EnvoyDiedError(f"envoy (pid {self.pid}) {how}; its last words are on stderr")

    async def end(self) -> None:
        """Terminate, and kill what does not obey."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), END_TIMEOUT_S)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


async def _spawn(command: Sequence[str], directory: Path, access_log: str) -> asyncio.subprocess.Process:
    """Envoy writes its access log to /dev/stdout, which is the configured file. In a session of its own:
    Ctrl-C reaches the agent only, which drains."""
    tethered = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *command]
    stdout = None if access_log == "/dev/stdout" else open(access_log, "ab")  # noqa: ASYNC230
    try:
        return await asyncio.create_subprocess_exec(
            *tethered, cwd=directory, stdin=subprocess.DEVNULL, stdout=stdout, start_new_session=True
        )
    finally:
        if stdout is not None:
            stdout.close()
