"""Bookinfo in the mesh, without a rule: all versions of reviews share the traffic."""

from __future__ import annotations

from pathlib import Path

from labs.harness import checks
from labs.harness.lab import Lab
from labs.harness.run import Run
from labs.harness.traffic import Plan

COMPOSE = Path(__file__).parents[2] / "compose" / "bookinfo.yaml"
PAGE = "http://productpage:9080/productpage"


async def steps(run: Run) -> None:
    async with run.step("a", "Bookinfo answers through the mesh"):
        history = await run.send(Plan(PAGE, count=90, seed=run.next_seed()))
        run.check(
            checks.served_by_each("pages come from every version of reviews", history, ("v1", "v2", "v3"))
        )


BOOKINFO = Lab(
    name="bookinfo",
    question="Does bookinfo work inside the mesh, before any rule is written? (--keep: the place to play)",
    topology=COMPOSE,
    steps=steps,
)
