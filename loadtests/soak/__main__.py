"""make soak: a mesh under load and faults, and what it owed to each request.

    python -m loadtests.soak [--seconds 300] [--seed N] [--dataplane python|envoy] [--clients 16]

One calling sidecar, three called ones with real origin processes behind them, mutual TLS between them.
Exit status 0 when all verdicts are pass, 1 when one is fail, 2 when something could not be measured.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from pathlib import Path
from random import Random, SystemRandom

from labs.harness.process_runtime import ProcessRuntime
from labs.harness.runtime import RuntimeFailure, RuntimeOptions
from labs.harness.verdict import EXIT_STATUS, Verdict, overall
from loadtests.soak import accounting
from loadtests.soak.faults import RETRIES, Faults
from loadtests.soak.load import Load
from loadtests.soak.origin import PORT
from loadtests.soak.watch import Watch
from mesh.model.names import OUTBOUND_PORT
from mesh.model.node import ServicePort
from mesh.platform.topology import Topology, Workload

CLIENT = "client"
VERSIONS = ("v1", "v2", "v3")


def topology(journals: Path) -> Topology:
    origins = tuple(
        Workload(
            name=f"echo-{version}",
            command=("python", "-m", "loadtests.soak.origin"),
            service="echo",
            service_account="echo",
            ports=(ServicePort("http", PORT, PORT, "HTTP"),),
            labels={"app": "echo", "version": version},
            environment={"JOURNAL": str(journals / version)},
        )
        for version in VERSIONS
    )
    return Topology((Workload(name=CLIENT, command=("sleep", "infinity"), service_account=CLIENT), *origins))


async def soak(options: argparse.Namespace, folder: Path) -> list[Verdict]:
    pods = {version: f"echo-{version}" for version in VERSIONS}
    runtime = ProcessRuntime(RuntimeOptions(folder=folder, dataplane=options.dataplane))
    rng = Random(options.seed)
    try:
        await runtime.up(topology(folder))
        faults = Faults(runtime, pods, rng)
        await faults.configure()
        names = (CLIENT, *pods.values())
        watch = Watch({name: int((await runtime.identity(name, "sidecar")).id) for name in names})
        entrance = (runtime.address(CLIENT), OUTBOUND_PORT)
        load = Load(entrance, f"echo:{PORT}", options.clients, Random(options.seed))
        watch.begin()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch.run())
            loading = group.create_task(load.run())
            await faults.run(options.seconds)
            load.stop()
            await loading
            watching.cancel()
        watch.end()
    finally:
        with contextlib.suppress(RuntimeFailure):
            await runtime.down()
    print(f"{len(load.answers)} requests; " + ", ".join(f"{n} x {name}" for name, n in faults.done.items()))
    logs = {path.name: path.read_text(errors="replace") for path in sorted((folder / "logs").glob("*.log"))}
    journals = [(folder / version).read_text() for version in VERSIONS if (folder / version).exists()]
    return [
        accounting.answered_once(load.answers),
        accounting.told(
            load.answers, logs[f"{CLIENT}.sidecar.log"], [logs[f"{pod}.sidecar.log"] for pod in pods.values()]
        ),
        accounting.executed(load.answers, journals, RETRIES, repeats_posts=options.dataplane == "envoy"),
        accounting.memory_is_flat(watch.watched),
        accounting.descriptors_are_back(watch.watched, options.clients * (len(VERSIONS) + 1)),
        accounting.nothing_unhandled(logs),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.soak", description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=300.0, help="how long (300)")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(2**31), help="of the faults")
    parser.add_argument("--dataplane", choices=("python", "envoy"), default="python")
    parser.add_argument("--clients", type=int, default=16, help="requests at a time (16)")
    options = parser.parse_args()
    print(f"soak: {options.seconds:g} s, {options.dataplane} data plane, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="mesh-soak-", ignore_cleanup_errors=True) as folder:
        try:
            verdicts = asyncio.run(soak(options, Path(folder)))
        except RuntimeFailure as failure:
            print(f"the soak could not be run: {failure}", file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            return 130
    for verdict in verdicts:
        print(f"{verdict.outcome:13} {verdict.check}: {verdict.reason}")
    return EXIT_STATUS[overall(verdicts)]


if __name__ == "__main__":
    sys.exit(main())
