"""The canary lab, in the order of its steps."""

from __future__ import annotations

from pathlib import Path

from labs.canary import mtls, outage, promote, shift, truth
from labs.canary.config import SABOTAGES
from labs.harness import checks
from labs.harness.lab import Lab
from labs.harness.run import Run
from labs.harness.verdict import failed, passed

COMPOSE = Path(__file__).parents[2] / "compose" / "bookinfo.yaml"
UNTOUCHED = ("client", "productpage-v1", "reviews-v1")  # the callers and the old version
MEMORY_BUDGET = 1 << 30  # bytes, of all apps, sidecars and the control plane


async def steps(run: Run) -> None:
    plaintext_before = await mtls.try_plaintext(run)  # PERMISSIVE: answered; this is what STRICT must end
    baseline = await truth.baseline(run, earlier=1)
    before = await run.identities(*UNTOUCHED)
    history = await shift.all_to_v1(run)
    history += await shift.five_percent(run)
    history += await shift.iphones(run)
    async with run.step("c", "... without touching anybody"):
        after = await run.identities(*UNTOUCHED)
        run.check(checks.untouched("callers and v1 are untouched", before, after))
    history += await mtls.strict(run, plaintext_before)
    await truth.agree(run, baseline, history)
    await promote.promotion(run)
    async with run.step("f", "... in how much memory"):
        await memory(run)
    await outage.control_plane_dies(run)


async def memory(run: Run) -> None:
    """The whole mesh right after the load, part by part.

    The budget is the process runtime's. Containers may share no pages, which is the storage driver's doing.
    """
    parts = await run.runtime.memory()
    kinds = {"sidecar": "sidecars", "app": "applications", "control-plane": "control plane"}
    for kind, name in kinds.items():
        sizes = [size for part, size in parts.items() if part.endswith(kind)]
        run.facts[f"memory of {name}, MiB"] = ", ".join(f"{size / 2**20:.0f}" for size in sizes)
    total = sum(parts.values())
    seen = f"{total / 2**20:.0f} MiB for {len(parts)} parts"
    if run.runtime.name == "process":
        verdict = passed if total <= MEMORY_BUDGET else failed
        run.check(verdict("the mesh fits in 1 GiB", seen, bytes=total))
    else:
        run.screen.note(seen)


CANARY = Lab(
    name="canary",
    question="Does exactly the traffic I meant reach the new version, and can I prove it?",
    topology=COMPOSE,
    steps=steps,
    sabotages=SABOTAGES,
    sidecar_entry={"metric": {"reviews-v1": ("python", "-m", "labs.canary.miscount")}},
)
