"""d: mutual TLS, required. Who calls whom by certificate, plaintext refused, the bytes on the wire."""

from __future__ import annotations

import time
from collections.abc import Sequence

from labs.canary.config import mesh_yaml
from labs.canary.shift import AGENTS, PAGE
from labs.harness import identity, observe, plaintext, wire
from labs.harness.history import Exchange
from labs.harness.plaintext import Attempt
from labs.harness.run import Run
from labs.harness.tapping import tapped
from labs.harness.traffic import Plan
from mesh.model.identity import SpiffeId

# service -> the one service account that calls it in bookinfo
CALLERS = {
    "productpage": "bookinfo-client",
    "details": "bookinfo-productpage",
    "reviews": "bookinfo-productpage",
    "ratings": "bookinfo-reviews",
}
IN_USE = ("productpage-v1", "details-v1", "reviews-v1", "reviews-v2", "ratings-v1")  # v3 gets no traffic here


async def try_plaintext(run: Run) -> list[Attempt]:
    """Plain HTTP to the service port of every server's sidecar, from outside the mesh."""
    targets = [
        f"{run.runtime.address(workload.name)}:{port.number}"
        for workload in run.topology.servers()
        for port in workload.ports
    ]
    process = await run.runtime.outside(["python", "-m", "labs.harness.plaintext", "/health", *targets])
    attempts = plaintext.read_attempts([line async for line in process.lines()])
    await process.wait()
    return attempts


async def strict(run: Run, plaintext_before: Sequence[Attempt]) -> list[Exchange]:
    async with run.step("d", "mTLS STRICT: every hop"):
        await run.apply(mesh_yaml("strict-mtls.yaml", run.sabotage), "strict-mtls.yaml")
        since = time.time()
        async with tapped(run, IN_USE) as tap:
            history = await run.send(Plan(PAGE, count=300, seed=run.next_seed(), agents=AGENTS))
        callers = {service: str(SpiffeId("default", account)) for service, account in CALLERS.items()}
        run.check(
            identity.every_hop("each hop's peer certificate", await observe.served(run, since), callers)
        )
        run.screen.doing("trying plaintext from outside the mesh")
        attempts = await try_plaintext(run)
        run.check(plaintext.refused("a plaintext client is refused", plaintext_before, attempts))
        run.check(wire.wire_is_tls("the bytes on the wire are TLS", tap.flows, IN_USE))
        return history
