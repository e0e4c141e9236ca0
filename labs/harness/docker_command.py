"""A command of a run, in a container of its own: its output line by line, its status, its end.

Not ``docker exec``: the engine cannot signal such a process. A container in the pod's network namespace is
just as much inside the pod, and can be stopped for certain.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from labs.harness.runtime import RuntimeFailure

STOP_TIMEOUT_S = 10  # from SIGTERM to SIGKILL


class DockerCommand:
    """Implements ``labs.harness.runtime.Process``. Standard error goes to ``log``."""

    def __init__(self, container: Container, log: Path) -> None:
        self._container = container
        self._log = log
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._ended = asyncio.Event()

    async def start(self) -> None:
        """Attach, then start: no byte is missed. Raises RuntimeFailure."""
        try:
            await asyncio.to_thread(self._start)
        except APIError as error:
            raise RuntimeFailure(f"{self._container.name}: cannot start: {error.explanation}") from error

    def _start(self) -> None:
        output = self._container.attach(stdout=True, stderr=True, stream=True, demux=True)
        self._container.start()
        name = f"output of {self._container.name}"
        threading.Thread(target=self._read, args=(output,), name=name, daemon=True).start()

    def _read(self, output: Iterator[tuple[bytes | None, bytes | None]]) -> None:
        """In a thread of its own, until the container's streams end."""
        rest = b""
        try:
            with self._log.open("ab") as log:
                for out, complaint in output:
                    log.write(complaint or b"")
                    *whole, rest = (rest + (out or b"")).split(b"\n")
                    for line in whole:
                        self._tell(line)
        finally:
            if rest:
                self._tell(rest)
            self._tell(None)
            cast("Any", output)._response.close()  # the SDK has no public way to let go of an ended stream

    def _tell(self, line: bytes | None) -> None:
        text = None if line is None else line.decode(errors="replace").rstrip("\r")
        try:
            self._loop.call_soon_threadsafe(self._receive, text)
        except RuntimeError:
            return  # the loop is closed: nobody listens any more

    def _receive(self, line: str | None) -> None:
        self._lines.put_nowait(line)
        if line is None:
            self._ended.set()

    async def lines(self) -> AsyncIterator[str]:
        while (line := await self._lines.get()) is not None:
            yield line
        self._lines.put_nowait(None)  # for whoever asks again

    async def wait(self) -> int:
        await self._ended.wait()
        return await asyncio.to_thread(self._status)

    def _status(self) -> int:
        try:
            return int(self._container.wait()["StatusCode"])
        except NotFound as gone:
            raise RuntimeFailure(f"{self._container.name} was removed while it ran") from gone

    async def stop(self) -> int:
        try:
            await asyncio.to_thread(self._container.stop, timeout=STOP_TIMEOUT_S)
        except NotFound as gone:
            raise RuntimeFailure(f"{self._container.name} was removed while it ran") from gone
        return await self.wait()
