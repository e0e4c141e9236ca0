"""Texts that many tests of galley start from, and a galley that is waited for by events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from textwrap import dedent

import pytest

from mesh.galley.galley import Galley

DEADLINE_S = 20.0

PROBE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: probe}
spec: {host: probe}
"""

Make = Callable[..., str]


@pytest.fixture
def data() -> Path:
    return Path(__file__).parent / "data"


@pytest.fixture
def virtual_service() -> Make:
    """A VirtualService as text: its ``http`` part is given, indented by nothing."""

    def make(http: str = "", name: str = "reviews", host: str = "reviews", namespace: str = "default") -> str:
        rules = dedent(http) or f"- route:\n  - destination: {{host: {host}}}\n"
        head = f"""\
            apiVersion: networking.istio.io/v1
            kind: VirtualService
            metadata: {{name: {name}, namespace: {namespace}}}
            spec:
              hosts: [{host}]
              http:
            """
        return dedent(head) + "".join(f"  {line}\n" for line in rules.splitlines())

    return make


@pytest.fixture
def destination_rule() -> Make:
    def make(*subsets: str, name: str = "reviews", host: str = "reviews") -> str:
        lines = "".join(f"  - {{name: {subset}, labels: {{version: {subset}}}}}\n" for subset in subsets)
        head = f"""\
            apiVersion: networking.istio.io/v1
            kind: DestinationRule
            metadata: {{name: {name}}}
            spec:
              host: {host}
            """
        return dedent(head) + (f"  subsets:\n{lines}" if lines else "")

    return make


class Running:
    """A started galley over one directory, and a way to wait until something is so."""

    def __init__(self, galley: Galley, directory: Path) -> None:
        self.galley = galley
        self.directory = directory
        self.changed = asyncio.Event()
        galley.subscribe(lambda _: self.changed.set())

    def names(self) -> list[str]:
        return [stored.candidate.key.name for stored in self.galley.list()]

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def watching(self) -> None:
        """Return when inotify is known to be at work: write a probe until somebody notices."""
        async with asyncio.timeout(DEADLINE_S):
            while "probe" not in self.names():
                self.changed.clear()
                (self.directory / "probe.yaml").write_text(PROBE)
                try:
                    await asyncio.wait_for(self.changed.wait(), 0.2)
                except TimeoutError:
                    (self.directory / "probe.yaml").unlink()


Start = Callable[..., object]


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start galleys over ``tmp_path/config`` (or given roots); they are stopped afterwards."""
    running: list[Galley] = []

    async def begin(*roots: Path, poll_s: float = 60.0) -> Running:
        directory = tmp_path / "config"
        directory.mkdir(exist_ok=True)
        galley = Galley(tmp_path / "data", roots or (directory,), poll_s=poll_s)
        running.append(galley)
        await galley.start()
        return Running(galley, roots[0] if roots else directory)

    yield begin
    for galley in running:
        await galley.stop()
