"""a, b, c: the traffic shift itself, seen by its clients."""

from __future__ import annotations

from labs.canary.config import mesh_yaml
from labs.harness import binomial, checks
from labs.harness.history import Exchange
from labs.harness.run import Run
from labs.harness.traffic import Agent, Plan

PAGE = "http://productpage:9080/productpage"  # calls details and reviews
REVIEWS = "http://productpage:9080/api/v1/products/0/reviews"  # calls reviews only
CANARY_SHARE = 0.05
IPHONE = r".*iPhone.*"
# a mixed crowd; the last one is not an iPhone for a regex that minds case
AGENTS = (
    Agent("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Mobile/15E148", 3),
    Agent("Mozilla/5.0 (Linux; Android 15; Pixel 9) Mobile", 3),
    Agent("Mozilla/5.0 (X11; Linux x86_64) Firefox/133.0", 3),
    Agent("iphone-backup/2.1", 1),
)


async def all_to_v1(run: Run) -> list[Exchange]:
    async with run.step("a", "All traffic to reviews v1"):
        await run.apply(mesh_yaml("subsets.yaml"), "subsets.yaml")
        await run.apply(mesh_yaml("all-v1.yaml"), "all-v1.yaml")
        history = await run.send(Plan(PAGE, count=200, seed=run.next_seed(), agents=AGENTS))
        run.check(checks.all_served_by("every request at v1", history, "v1"))
        return history


async def five_percent(run: Run) -> list[Exchange]:
    async with run.step("b", "5 % of the traffic to v2"):
        n = binomial.sample_size(CANARY_SHARE, 2 * CANARY_SHARE)
        run.screen.note(
            f"n = {n}: false alarm <= 1e-6, and a doubled share is noticed with probability >= 0.999"
        )
        await run.apply(mesh_yaml("canary-5.yaml", run.sabotage), "canary-5.yaml")
        history = await run.send(Plan(REVIEWS, count=n, seed=run.next_seed(), agents=AGENTS))
        run.check(checks.share("5 % at v2", history, "v2", CANARY_SHARE))
        return history


async def iphones(run: Run) -> list[Exchange]:
    async with run.step("c", "iPhone users to v2, everybody else to v1"):
        await run.apply(mesh_yaml("iphone.yaml", run.sabotage), "iphone.yaml")
        history = await run.send(Plan(PAGE, count=300, seed=run.next_seed(), agents=AGENTS))
        run.check(checks.routed_by_agent("iPhones at v2, others at v1", history, IPHONE, "v2", "v1"))
        return history
