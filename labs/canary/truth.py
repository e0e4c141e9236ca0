"""e: four independent observers count the same requests, and must agree to the request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from labs.harness import metrics, observe
from labs.harness.eventually import eventually, settled
from labs.harness.history import Exchange, count_served
from labs.harness.metrics import Counts, Key, Row
from labs.harness.run import Run

QUIET_S = 1.5  # access logs are sent every 0.5 s: counts that stand still this long have all arrived
SILENCE_S = 5.0  # and before anybody is called wrong, this long: a busy machine may report late
SETTLE_S = 20.0
ENTRANCE = "productpage-v1"
STUDIED = "reviews-"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What every observer had counted before the measured traffic."""

    metrics: Counts
    log: Counts
    served: Counter[str]


async def baseline(run: Run, earlier: int) -> Baseline:
    """The counts before the measured traffic, once each server's ``earlier`` requests are in them."""

    async def complete() -> Baseline | None:
        seen = await counts(run)
        keys = [Key("destination", workload.name) for workload in run.topology.servers()]
        return seen if all(min(seen.metrics[key], seen.log[key]) >= earlier for key in keys) else None

    return await eventually("the counts of the plaintext attempts", complete, SETTLE_S)


async def counts(run: Run) -> Baseline:
    log = metrics.logged_requests(await observe.access_log(run))
    applications = Counter(f"{one.service}-{one.version}" for one in await observe.served(run))
    return Baseline(await observe.scrape(run), log, applications)


def client_counts(history: Sequence[Exchange]) -> dict[str, int]:
    """What clients know: the page they asked for, and which version of reviews was in the answer."""
    by_version = {f"{STUDIED}{version}": count for version, count in count_served(history).items()}
    return {ENTRANCE: len(history), **by_version}


async def agree(run: Run, before: Baseline, history: Sequence[Exchange]) -> None:
    async with run.step("e", "Client, applications, metrics and access logs agree"):
        run.screen.doing("waiting until no counter moves any more")
        verdict = None
        for quiet_s in (QUIET_S, SILENCE_S):
            after = await settled("the observers' counts", lambda: counts(run), quiet_s, SETTLE_S)
            verdict = metrics.agreement("all observers count the same", rows(run, before, after, history))
            if verdict.outcome == "pass":
                break
        assert verdict is not None
        run.check(verdict)


def rows(run: Run, before: Baseline, after: Baseline, history: Sequence[Exchange]) -> list[Row]:
    """One row a server: what each observer counted between the two moments."""
    counted = metrics.difference(after.metrics, before.metrics)
    logged = metrics.difference(after.log, before.log)
    clients = client_counts(history)
    made = []
    for workload in run.topology.servers():
        truth = {"application": after.served[workload.name] - before.served[workload.name]}
        if workload.name == ENTRANCE or workload.name.startswith(STUDIED):
            truth["client"] = clients.get(workload.name, 0)
        made.append(metrics.row(workload.name, truth, counted, logged))
    return made
