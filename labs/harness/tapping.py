"""Putting a tap (``tap.py``) in the path to some pods for the length of a block."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field

from labs.harness.eventually import eventually
from labs.harness.run import Run
from labs.harness.runtime import RuntimeFailure
from labs.harness.wire import Flow

FIRST_PORT = 19081
READY_S = 40.0
PLAN = "TAP_PLAN"  # the tap's environment variable with a TapPlan as JSON
READY = "ready"  # the first line it prints: listening, and known to pilot


@dataclass(frozen=True, slots=True)
class Target:
    """One pod to stand in front of: as whom to register, and where the real one is."""

    pod: str
    service: str
    service_account: str
    namespace: str
    labels: dict[str, str]
    number: int  # the service port
    listen: int  # our own port for it
    host: str
    port: int
    token: str


@dataclass(frozen=True, slots=True)
class TapPlan:
    control_plane: str
    root_pem: str
    targets: tuple[Target, ...]

    @classmethod
    def from_json(cls, text: str) -> TapPlan:
        raw = json.loads(text)
        return cls(raw["control_plane"], raw["root_pem"], tuple(Target(**one) for one in raw["targets"]))


@dataclass(slots=True)
class Tap:
    """What was relayed; complete once the block of `tapped` has ended."""

    flows: list[Flow] = field(default_factory=list)


@asynccontextmanager
async def tapped(run: Run, pods: Sequence[str]) -> AsyncIterator[Tap]:
    """Stand in the path to the pods while the block runs, then read what passed."""
    tap = Tap()
    plan = TapPlan(
        run.runtime.control_plane().grpc, run.runtime.control_plane().root_pem, _targets(run, pods)
    )
    run.screen.doing(f"putting a tap in front of {len(pods)} pods")
    process = await run.runtime.outside(
        ["python", "-m", "labs.harness.tap"], {PLAN: json.dumps(asdict(plan))}
    )
    lines = process.lines()
    try:
        if await _first(lines) != READY:
            raise RuntimeFailure("the tap did not get ready")
        await eventually("ACK of the tap's endpoints", lambda: _all_synced(run), READY_S)
        yield tap
    finally:
        # it prints all it kept when it is stopped: more than a pipe holds, so read while it ends
        _, flows = await asyncio.gather(process.stop(), _flows(lines))
        tap.flows += flows


def _targets(run: Run, pods: Sequence[str]) -> tuple[Target, ...]:
    targets = []
    for at, pod in enumerate(pods):
        workload = run.topology.workload(pod)
        port = workload.ports[0]
        targets.append(
            Target(
                pod=pod,
                service=workload.service,
                service_account=workload.service_account,
                namespace=workload.namespace,
                labels=dict(workload.labels),
                number=port.number,
                listen=FIRST_PORT + at,
                host=run.runtime.address(pod),
                port=port.number,
                token=run.runtime.token(workload.namespace, workload.service_account),
            )
        )
    return tuple(targets)


async def _all_synced(run: Run) -> bool | None:
    """Whether every proxy serves the newest generation, the tap's endpoints in it."""
    status = await run.api.syncz()
    return all(proxy["generation"] == status["generation"] for proxy in status["proxies"]) or None


async def _first(lines: AsyncIterator[str]) -> str:
    """The first line; "" when there is none in time."""
    try:
        async with asyncio.timeout(READY_S):
            return await anext(lines, "")
    except TimeoutError:
        return ""


async def _flows(lines: AsyncIterator[str]) -> list[Flow]:
    return [_read_flow(line) async for line in lines]


def _read_flow(line: str) -> Flow:
    raw = json.loads(line)
    sent, answered = bytes.fromhex(raw["sent"]), bytes.fromhex(raw["answered"])
    return Flow(raw["pod"], raw["peer"], sent, answered, raw["total"])
