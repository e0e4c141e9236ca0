"""One run of a lab, as its steps see it: the mesh, the load, and where verdicts go."""

from __future__ import annotations

import random
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from labs.harness.eventually import eventually
from labs.harness.history import Exchange, read_exchanges
from labs.harness.mesh_api import Applied, MeshApi
from labs.harness.report import Step
from labs.harness.runtime import Identity, Runtime, RuntimeFailure
from labs.harness.screen import Screen
from labs.harness.traffic import Plan
from labs.harness.verdict import Number, Verdict
from mesh.platform.topology import Topology

CLIENT = "client"  # the workload load is sent from
LOAD_DEADLINE_S = 30.0


class Stopped(Exception):
    """A check failed, and the run was asked to stop at the first failure."""


class Run:
    """Everything a lab's steps need. ``sabotage`` names what is broken on purpose; "" nothing."""

    def __init__(
        self,
        *,
        runtime: Runtime,
        topology: Topology,
        folder: Path,
        screen: Screen,
        seed: int,
        sabotage: str = "",
        fail_fast: bool = False,
    ) -> None:
        self.runtime = runtime
        self.topology = topology
        self.folder = folder
        self.screen = screen
        self.seed = seed
        self.sabotage = sabotage
        self.api = MeshApi(runtime.control_plane)
        self.steps: list[Step] = []
        self.facts: dict[str, Number] = {}
        self._fail_fast = fail_fast
        self._rng = random.Random(seed)
        self._verdicts: list[Verdict] = []
        self._changes = 0
        self._answered = 0  # of the load that runs now

    @asynccontextmanager
    async def step(self, letter: str, title: str) -> AsyncIterator[None]:
        """A step: what is checked inside belongs to it, also when it breaks off."""
        started = time.monotonic()
        self.screen.step(letter, title)
        self._verdicts = []
        try:
            yield
        finally:
            self.screen.doing("")
            if self._verdicts:
                seconds = time.monotonic() - started
                self.steps.append(Step(letter, title, seconds, tuple(self._verdicts)))

    def check(self, verdict: Verdict) -> None:
        """Record a verdict. Raises Stopped when it failed and the run stops at the first failure."""
        self._verdicts.append(verdict)
        self.screen.verdict(verdict)
        if self._fail_fast and verdict.outcome == "fail":
            raise Stopped

    async def apply(self, yaml: str, name: str) -> Applied:
        """Apply YAML and wait until every proxy has ACKed it; a copy is kept in config/."""
        self._changes += 1
        kept = self.folder / "config"
        kept.mkdir(exist_ok=True)
        (kept / f"{self._changes:02}-{name}").write_text(yaml)
        self.screen.doing(f"applying {name}, waiting for every proxy's ACK")
        applied = await self.api.apply(yaml, name)
        self.screen.note(
            f"applied {name}: generation {applied.generation}, ACKed by {len(applied.acked)} proxies"
        )
        return applied

    def next_seed(self) -> int:
        """A seed for one load, drawn from the run's."""
        return self._rng.getrandbits(32)

    async def send(self, plan: Plan) -> list[Exchange]:
        """Run a plan in the client pod; its history is returned and added to history.jsonl."""
        to = f"{plan.count} requests sent from the client pod to {plan.url}"
        self.screen.doing(f"0 of {to}")
        process = await self.runtime.exec(CLIENT, plan.argv())
        with (self.folder / "history.jsonl").open("a") as kept:
            lines: list[str] = []
            async for line in process.lines():
                lines.append(line)
                self._answered = len(lines)
                kept.write(f"{line}\n")
                self.screen.doing(f"{len(lines)} of {to}", same=True)
        self._answered = 0  # who waits for answers means the next load's
        status = await process.wait()
        history = read_exchanges(lines)
        if status != 0 or len(history) != plan.count:
            raise RuntimeFailure(f"the load ended with status {status} after {len(history)} of {plan.count}")
        return history

    async def answered(self, wanted: int) -> None:
        """Wait until the load that runs has had that many answers."""

        async def enough() -> bool | None:
            return self._answered >= wanted or None

        await eventually(f"{wanted} answers", enough, LOAD_DEADLINE_S)

    async def identities(self, *pods: str) -> Mapping[str, Identity]:
        """App and sidecar of each pod: which incarnation they are."""
        return {
            f"{pod} {part}": await self.runtime.identity(pod, part)
            for pod in pods
            for part in ("app", "sidecar")
        }
