"""The Envoy process: started tied to this one, watched, ended."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext, suppress
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
    """Runs in ``directory``, where the agent's sockets and its bootstrap are.

    Popen and a thread that waits, not asyncio's subprocesses: uvloop forks for those, which runs gRPC's fork
    handlers and leaves this process's channels dead. Popen uses vfork, which does not.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.pid = process.pid
        self._process = process
        self._ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._watch, args=(loop,), name="envoy", daemon=True).start()

    @classmethod
    def start(cls, binary: Path, node: Node, bootstrap: Bootstrap, directory: Path) -> EnvoyProcess:
        """Write the bootstrap and start. Envoy's log goes to our stderr. Raises OSError."""
        (directory / CONFIG_FILE).write_text(json.dumps(envoy_bootstrap(node, bootstrap.overload), indent=1))
        flags = arguments(CONFIG_FILE, bootstrap.concurrency)
        return cls(_spawn([str(binary), *flags], directory, bootstrap.access_log))

    async def died(self) -> EnvoyDiedError:
        """Wait for its end; the answer says how it ended."""
        await self._ended.wait()
        status = self._process.returncode
        how = f"was killed by signal {-status}" if status < 0 else f"exited with status {status}"
        return EnvoyDiedError(f"envoy (pid {self.pid}) {how}; its last words are on stderr")

    async def end(self) -> None:
        """Terminate, and kill what does not obey."""
        self._process.terminate()
        try:
            await asyncio.wait_for(self._ended.wait(), END_TIMEOUT_S)
        except TimeoutError:
            self._process.kill()
            await self._ended.wait()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._process.wait()
        with suppress(RuntimeError):  # the loop was closed: nobody wants to know
            loop.call_soon_threadsafe(self._ended.set)


def _spawn(command: Sequence[str], directory: Path, access_log: str) -> subprocess.Popen[bytes]:
    """Envoy writes its access log to /dev/stdout, which is the configured file. In a session of its own:
    Ctrl-C reaches the agent only, which drains."""
    tethered = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid()), *command]
    log = nullcontext() if access_log == "/dev/stdout" else open(access_log, "ab")
    with log as stdout:
        return subprocess.Popen(
            tethered, cwd=directory, stdin=subprocess.DEVNULL, stdout=stdout, start_new_session=True
        )
