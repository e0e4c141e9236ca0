"""make bench: our sidecar against the real Envoy.

    python -m loadtests.bench [--quick] [--only plaintext,mtls] [--rounds 3] [--seconds 3] [--json FILE]

Both meshes are up at the same time and take turns under load, so that whatever else the machine does hits
both. Our sidecars import what this command does: the compiled copy of `make compiled` where that comes first
(as in `make bench`), else the sources. Exit status 0 when every budget is kept, 1 when one is missed: the
table says which.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from labs.harness.runtime import RuntimeFailure
from loadtests.bench.idle import raise_descriptor_limit
from loadtests.bench.plan import PARTS, Effort, Plan
from loadtests.bench.sidecars import Sidecars
from loadtests.bench.table import Row, render
from mesh.proxy import exchange

IDLE_CONNECTIONS, QUICK_IDLE_CONNECTIONS = 10_000, 1_000


async def bench(parts: Sequence[str], effort: Effort) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="mesh-bench-") as folder:
        async with (
            Sidecars("python", Path(folder, "python")) as ours,
            Sidecars("envoy", Path(folder, "envoy")) as envoy,
        ):
            return await Plan(ours, envoy, effort, Path(folder, "reverse-proxies")).run(parts)


def parts_of(text: str) -> list[str]:
    """``--only``. Raises ArgumentTypeError naming the part that is none."""
    parts = text.split(",")
    for part in parts:
        if part not in PARTS:
            raise argparse.ArgumentTypeError(f"no part {part!r}; there are {', '.join(PARTS)}")
    return parts


def build_of(module_file: str) -> str:
    """How a module of the wire path is executed."""
    return "interpreted" if module_file.endswith(".py") else "compiled by mypyc (make compiled)"


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", type=parts_of, default=list(PARTS), help=f"some of the parts: {','.join(PARTS)}"
    )
    parser.add_argument(
        "--quick", action="store_true", help="one round of 1.5 s each, 1,000 idle connections"
    )
    parser.add_argument("--rounds", type=int, default=3, help="turns of each engine in each setting")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one turn")
    parser.add_argument("--json", type=Path, help="write the rows there as well")
    return parser


def main() -> int:
    options = arguments().parse_args()
    effort = Effort(options.rounds, options.seconds, IDLE_CONNECTIONS)
    if options.quick:
        effort = Effort(1, 1.5, QUICK_IDLE_CONNECTIONS)
    try:
        raise_descriptor_limit(effort.idle_connections)
        table = asyncio.run(bench(options.only, effort))
    except RuntimeFailure as failure:
        print(f"the benchmark could not be run: {failure}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    print(f"our sidecar's wire path is {build_of(exchange.__file__)}")
    print(render(table))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) | {"ratio": row.ratio} for row in table], indent=1))
    return 1 if any(row.within is False for row in table) else 0


if __name__ == "__main__":
    sys.exit(main())
