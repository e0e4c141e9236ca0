"""The gateway lab, in the order of its steps."""

from __future__ import annotations

from pathlib import Path

from labs.gateway.config import SABOTAGES
from labs.gateway.inward import Doors, mutual, passthrough, redirect, rotation, tls
from labs.gateway.outward import egress, origination
from labs.harness.lab import Lab
from labs.harness.run import Run

COMPOSE = Path(__file__).parents[2] / "compose" / "gateway.yaml"


async def steps(run: Run) -> None:
    doors = Doors(run)
    for step in (tls, redirect, mutual, passthrough, rotation):
        await step(run, doors)
    await egress(run)
    await origination(run)


GATEWAY = Lab(
    name="gateway",
    question="Does everything come in and go out by the doors, and by no other way than was meant?",
    topology=COMPOSE,
    steps=steps,
    sabotages=SABOTAGES,
)
