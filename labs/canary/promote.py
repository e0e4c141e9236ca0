"""f: promotion 5 -> 50 -> 100 % under constant load: nothing fails, and no change is late."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from labs.canary.config import mesh_yaml
from labs.canary.truth import QUIET_S, SETTLE_S
from labs.harness import binomial, checks, observe
from labs.harness.eventually import eventually, settled
from labs.harness.history import Logged
from labs.harness.run import CLIENT, Run
from labs.harness.runtime import Process
from labs.harness.verdict import Verdict, failed, inconclusive, passed

HOST = "http://productpage:9080"
CALLER = "productpage-v1"  # whose sidecar applies the rule
USERS = 4
REQUESTS_A_SECOND = 80.0
PER_STAGE = 150  # requests after the ACK
STAGE_DEADLINE_S = 30.0
STAGES = (5, 50, 100)  # per cent


@dataclass(frozen=True, slots=True)
class Stage:
    """One rule's time: live from when `apply --wait` returned, until the next change was begun."""

    percent: int
    live_from: float
    until: float

    @property
    def route(self) -> str:
        return f"canary-{self.percent}"


async def promotion(run: Run) -> None:
    async with run.step("f", "Promotion 5 -> 50 -> 100 % under constant load"):
        await run.apply(mesh_yaml("canary-5.yaml"), "canary-5.yaml")
        load = await start_load(run)
        stages = []
        for percent in STAGES:
            stages.append(await one_stage(run, percent))
        run.screen.doing("ending the load, waiting for the last access logs")
        summary = await end_load(load)
        log = await settled("mixer's access log", lambda: observe.access_log(run), QUIET_S, SETTLE_S)
        run.check(no_failure("no request failed", summary, log))
        for stage in stages:
            judge_stage(run, stage, [entry for entry in log if is_rule_at_work(entry)])


async def start_load(run: Run) -> Process:
    run.screen.doing("starting Locust in the client pod")
    argv = ["python", "-m", "loadtests.locustfile", HOST, str(USERS), str(REQUESTS_A_SECOND)]
    load = await run.runtime.exec(CLIENT, argv)
    await requests_pass(run, 20)
    return load


async def one_stage(run: Run, percent: int) -> Stage:
    if percent != STAGES[0]:
        name = f"canary-{percent}.yaml"
        await run.apply(mesh_yaml(name), name)
    live_from = time.time()
    run.screen.doing(f"{PER_STAGE} requests at {percent} %")
    await requests_pass(run, PER_STAGE)
    return Stage(percent, live_from, time.time())


async def requests_pass(run: Run, wanted: int) -> None:
    """Wait until the caller's sidecar has carried that many more requests."""
    before = (await observe.scrape(run, CALLER)).total()

    async def enough() -> bool | None:
        return (await observe.scrape(run, CALLER)).total() - before >= 3 * wanted or None

    # three counted a page: one that came in, one to details, one to reviews
    await eventually(f"{wanted} more requests", enough, STAGE_DEADLINE_S, every_s=0.3)


async def end_load(load: Process) -> dict[str, int]:
    """Stop Locust; its own summary, the last line it prints."""
    await load.stop()
    lines = [line async for line in load.lines() if line.startswith("{")]
    summary: dict[str, int] = json.loads(lines[-1]) if lines else {}
    return summary


def is_rule_at_work(entry: Logged) -> bool:
    """productpage's sidecar choosing a version of reviews."""
    caller = entry.source_workload == CALLER and entry.reporter == "source"
    return caller and entry.path.startswith("/reviews/")


def no_failure(check: str, summary: dict[str, int], log: Sequence[Logged]) -> Verdict:
    """Neither Locust nor any sidecar saw anything but 200."""
    requests, failures = summary.get("requests", 0), summary.get("failures", 0)
    bad = [entry for entry in log if entry.response_code != 200]
    if failures or bad:
        text = f"Locust: {failures} of {requests} failed; access logs: {len(bad)} of {len(log)} not 200"
        return failed(check, text, requests=requests, failures=failures, logged_bad=len(bad))
    if not requests:
        return inconclusive(check, "Locust made no request")
    text = f"Locust: {requests} requests, 0 failed; access logs of the whole run: {len(log)} entries, all 200"
    return passed(check, text, requests=requests, failures=0)


def judge_stage(run: Run, stage: Stage, log: Sequence[Logged]) -> None:
    name = f"{stage.percent} %"
    run.check(checks.no_stale_rule(f"{name}: no old rule", log, stage.route, stage.live_from, stage.until))
    started = [entry for entry in log if stage.live_from <= entry.start_time < stage.until]
    at_v2 = sum(entry.destination_workload == "reviews-v2" for entry in started)
    run.check(stage_share(f"{name}: share at v2", at_v2, len(started), stage.percent / 100))


def stage_share(check: str, count: int, n: int, share: float) -> Verdict:
    """What the stage's own count says; too few for 5 % exactly, which step b has proven."""
    if not n:
        return inconclusive(check, "no request started in this stage")
    region = binomial.acceptance_region(n, share)
    low, high = binomial.interval(count, n)
    seen = f"{count} of {n} = {count / n:.1%} (interval {low:.1%}-{high:.1%})"
    verdict = passed if count in region else failed
    return verdict(check, f"{seen}, allowed {region.low}-{region.high}", n=n, count=count)
