"""f, g: out by the egress gateway."""

from __future__ import annotations

from labs.gateway.config import mesh_yaml
from labs.harness.eventually import NotInTime, eventually
from labs.harness.history import failures
from labs.harness.run import Run
from labs.harness.traffic import Plan
from labs.harness.verdict import failed, passed

COUNT = 40
LOG_DEADLINE_S = 15.0  # Envoy writes its log every second


async def egress(run: Run) -> None:
    async with run.step("f", "Out by the egress gateway"):
        api, bank = (run.runtime.address(name) for name in ("api.example", "bank.example"))
        await run.apply(mesh_yaml("api.yaml", API_ADDRESS=api, BANK_ADDRESS=bank), "api.yaml")
        await _send(run, "straight")
        await run.apply(mesh_yaml("egress.yaml", run.sabotage), "egress.yaml")
        await _send(run, "by-the-gateway")
        check = "every request after the rule, and none before it, is in the gateway's log"
        try:
            by_gateway = await eventually("the gateway's log", lambda: _logged(run), LOG_DEADLINE_S)
        except NotInTime:
            by_gateway = await _count(run, "/by-the-gateway")
        straight = await _count(run, "/straight")
        verdict = passed if (by_gateway, straight) == (COUNT, 0) else failed
        run.check(verdict(check, f"{by_gateway} of {COUNT} after the rule, {straight} of {COUNT} before it"))


async def origination(run: Run) -> None:
    async with run.step("g", "In plaintext to the gateway, by TLS from there"):
        await _send(run, "bank", host="bank.example", served_by="(vault)")


async def _send(run: Run, path: str, host: str = "api.example", served_by: str = "=(outside)") -> None:
    plan = Plan(f"http://{host}:8000/{path}", count=COUNT, seed=run.next_seed(), served_by=served_by)
    history = await run.send(plan)
    bad = failures(history)
    verdict = failed if bad else passed
    run.check(verdict(f"{host} answers, {path}", f"{COUNT - len(bad)} of {COUNT}"))


async def _logged(run: Run) -> int | None:
    found = await _count(run, "/by-the-gateway")
    return found if found >= COUNT else None


async def _count(run: Run, path: str) -> int:
    log = await run.runtime.log("egress", "sidecar")
    return sum(f'"GET {path} ' in line for line in log.splitlines())
