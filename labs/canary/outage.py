"""g: the control plane is killed under traffic, and comes back."""

from __future__ import annotations

import asyncio
import time

from labs.canary.config import mesh_yaml
from labs.canary.shift import AGENTS, PAGE
from labs.harness import checks
from labs.harness.eventually import eventually
from labs.harness.history import Exchange
from labs.harness.run import Run
from labs.harness.runtime import RuntimeFailure
from labs.harness.traffic import Plan
from labs.harness.verdict import Verdict, failed, inconclusive, passed

RATE = 80.0  # requests a second while it is dead
COUNT = 320
AFTER_THE_KILL = 100  # so many at least must start without a control plane
RECONNECT_S = 20.0


async def control_plane_dies(run: Run) -> None:
    async with run.step("g", "The control plane is killed, and returns"):
        plan = Plan(PAGE, count=COUNT, seed=run.next_seed(), agents=AGENTS, rate=RATE)
        async with asyncio.TaskGroup() as group:
            sending = group.create_task(run.send(plan))
            await run.answered(COUNT // 4)
            await run.runtime.kill_control_plane()
            killed = time.time()
        run.check(traffic_goes_on("traffic goes on without it", sending.result(), killed))
        run.screen.doing("starting the control plane again")
        await run.runtime.start_control_plane()
        started = time.monotonic()
        proxies = await eventually(
            "every proxy's return", lambda: all_connected(run), RECONNECT_S, every_s=0.2
        )
        seconds = time.monotonic() - started
        run.check(
            passed("the proxies reconnect", f"{proxies} of {proxies}, {seconds:.2f} s after it was ready")
        )
        await run.apply(mesh_yaml("all-v1.yaml"), "all-v1.yaml")
        history = await run.send(Plan(PAGE, count=100, seed=run.next_seed(), agents=AGENTS))
        run.check(checks.all_served_by("the next change arrives: all at v1", history, "v1"))


async def all_connected(run: Run) -> int | None:
    """How many proxies are connected, once that is all of them."""
    try:
        proxies = (await run.api.syncz()).get("proxies", ())
    except RuntimeFailure:
        return None
    wanted = {f"{workload.pod}.{workload.namespace}" for workload in run.topology.workloads}
    return len(wanted) if wanted <= {proxy["proxy"] for proxy in proxies} else None


def traffic_goes_on(check: str, history: list[Exchange], killed: float) -> Verdict:
    """Requests that started after the kill were answered, by the last good configuration: v2."""
    after = [exchange for exchange in history if exchange.t_start > killed]
    bad = [exchange for exchange in history if not exchange.ok or exchange.served != "v2"]
    if bad:
        return failed(check, f"{len(bad)} of {len(history)} requests failed or left v2", bad=len(bad))
    if len(after) < AFTER_THE_KILL:
        return inconclusive(check, f"only {len(after)} requests started after the kill")
    text = f"{len(after)} requests started after SIGKILL, all answered by v2, as last configured"
    return passed(check, text, after=len(after), before=len(history) - len(after))
