"""make bench: our sidecar against the real Envoy.

    python -m loadtests.bench [--rounds 5] [--seconds 4] [--connections 32] [--body 200] [--json FILE]

Both meshes are up at the same time and take turns under load, so that whatever else the machine does hits
both. Exit status 0 when every budget is kept, 1 when one is missed: the table says which.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from labs.harness.runtime import RuntimeFailure
from loadtests.bench.settings import SETTINGS, Setting
from loadtests.bench.sidecars import Figures, Sidecars
from loadtests.bench.table import Row, paced_rows, render, rows

MEMORY_BUDGET = 0.75


async def compare(
    setting: Setting, ours: Sidecars, envoy: Sidecars, options: argparse.Namespace
) -> list[Row]:
    """Full speed, alternating; then both at half of what Envoy managed."""
    engines = (ours, envoy)
    for sidecars in engines:
        await sidecars.use(setting)
    full: dict[str, list[Figures]] = {"python": [], "envoy": []}
    paced: dict[str, list[Figures]] = {"python": [], "envoy": []}
    for number in range(options.rounds):
        for sidecars in engines:
            figures = await sidecars.measure(options.connections, options.seconds)
            full[sidecars.engine].append(figures)
            progress(f"{setting.name}, round {number + 1}, {sidecars.engine}: {figures.pair_cpu_us:.1f} us")
    half = min(figures.load.rate for figures in full["envoy"]) / 2
    for _ in range(options.rounds):
        for sidecars in engines:
            paced[sidecars.engine].append(await sidecars.measure(options.connections, options.seconds, half))
    return rows(setting.name, setting.budget, full["python"], full["envoy"]) + paced_rows(
        setting.name, paced["python"], paced["envoy"]
    )


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


async def bench(options: argparse.Namespace) -> list[Row]:
    table: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="mesh-bench-") as folder:
        async with (
            Sidecars("python", Path(folder, "python"), options.body) as ours,
            Sidecars("envoy", Path(folder, "envoy"), options.body) as envoy,
        ):
            for setting in SETTINGS:
                table += await compare(setting, ours, envoy, options)
            mebibytes = ours.resident_bytes() / 2**20, envoy.resident_bytes() / 2**20
            table.append(Row("resident memory of a sidecar", "MB", *mebibytes, budget=MEMORY_BUDGET))
    return table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each engine in each setting")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of one turn")
    parser.add_argument("--connections", type=int, default=32, help="keep-alive connections of the client")
    parser.add_argument("--body", type=int, default=200, help="bytes of each response's body")
    parser.add_argument("--json", type=Path, help="write the rows there as well")
    options = parser.parse_args()
    try:
        table = asyncio.run(bench(options))
    except RuntimeFailure as failure:
        print(f"the benchmark could not be run: {failure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(render(table))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) | {"ratio": row.ratio} for row in table], indent=1))
    return 1 if any(row.within is False for row in table) else 0


if __name__ == "__main__":
    sys.exit(main())
