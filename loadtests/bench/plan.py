"""The benchmark's parts in their order, each giving rows: both engines take turns in every one of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from loadtests.bench.idle import bytes_each
from loadtests.bench.load import Load
from loadtests.bench.reverse_proxy import PORT, installed, measure_reverse_proxy
from loadtests.bench.round import Figures
from loadtests.bench.settings import MTLS, PLAINTEXT, ROUTING, SETTINGS, Setting
from loadtests.bench.sidecars import Sidecars
from loadtests.bench.table import Row, paced_rows, rows

MEMORY_BUDGET = 0.75
IDLE_LIMIT_KB = 20.0
ROUTING_LIMIT = 2.0  # times the cost of one virtual host; in proportion it would be a thousand

PARTS = (*(setting.key for setting in SETTINGS), "memory", "reverse-proxies", "idle", ROUTING.key)


@dataclass(frozen=True, slots=True)
class Effort:
    rounds: int
    seconds: float
    idle_connections: int


class Plan:
    """``await Plan(...).run(parts)``."""

    def __init__(self, ours: Sidecars, envoy: Sidecars, effort: Effort, folder: Path) -> None:
        self._ours = ours
        self._envoy = envoy
        self._effort = effort
        self._folder = folder

    async def run(self, parts: Sequence[str]) -> list[Row]:
        table: list[Row] = []
        for setting in SETTINGS:
            if setting.key in parts:
                table += await self._compare(setting)
            if setting is MTLS and "memory" in parts:
                table.append(self._memory("after small requests", MEMORY_BUDGET))
        if "memory" in parts:
            table.append(self._memory("after all the above"))
        if "reverse-proxies" in parts:
            table += await self._reverse_proxies()
        if "idle" in parts:
            table.append(await self._idle())
        if ROUTING.key in parts:
            table += await self._routing()
        return table

    def _memory(self, when: str, budget: float | None = None) -> Row:
        ours, envoy = (sidecars.resident_bytes() / 2**20 for sidecars in (self._ours, self._envoy))
        return Row(f"resident memory of a sidecar, {when}", "MB", ours, envoy, budget)

    async def _compare(self, setting: Setting) -> list[Row]:
        """Full speed, alternating; then both at half of what Envoy managed."""
        full = await self._rounds(setting)
        ours, envoy = full["python"], full["envoy"]
        table = rows(setting, ours, envoy)
        if setting.whole:
            half = min(figures.load.rate for figures in envoy) / 2
            paced = await self._rounds(setting, half)
            table += paced_rows(setting, paced["python"], paced["envoy"])
        return table

    async def _rounds(self, setting: Setting, rate: float = 0.0) -> Mapping[str, list[Figures]]:
        engines = (self._ours, self._envoy)
        for sidecars in engines:
            await sidecars.use(setting)
        found: dict[str, list[Figures]] = {"python": [], "envoy": []}
        for number in range(self._effort.rounds):
            for sidecars in engines:
                figures = await sidecars.measure(setting, self._effort.seconds, rate)
                found[sidecars.engine].append(figures)
                pace = f" at {rate:.0f}/s" if rate else ""
                progress(
                    f"{setting.name}{pace}, round {number + 1}, {sidecars.engine}: "
                    f"{figures.total_us:.1f} us, core {figures.utilisation:.0%}"
                )
        return found

    async def _reverse_proxies(self) -> list[Row]:
        """Our server sidecar (in plaintext: routing, metrics, entries to mixer) against a plain proxy."""
        names = installed()
        if not names:
            progress("neither nginx nor HAProxy is installed")
            return []
        await self._ours.use(PLAINTEXT)
        address = self._ours.origin_address
        load = Load(address, PORT, PLAINTEXT.authority, seconds=self._effort.seconds)
        ours: list[float] = []
        theirs: dict[str, list[float]] = {name: [] for name in names}
        for _ in range(self._effort.rounds):
            ours.append((await self._ours.measure(PLAINTEXT, self._effort.seconds)).cpu_us[1])
            for name in names:
                figures = await measure_reverse_proxy(name, address, self._folder, load)
                theirs[name].append(figures.total_us)
                progress(f"{name}: {figures.total_us:.1f} us, core {figures.utilisation:.0%}")
        return [
            Row(f"server sidecar against {name}: CPU per request", "us", median(ours), median(cpu))
            for name, cpu in theirs.items()
        ]

    async def _idle(self) -> Row:
        count = self._effort.idle_connections
        each = []
        for sidecars in (self._ours, self._envoy):
            await sidecars.use(PLAINTEXT)
            each.append(await bytes_each(sidecars, count) / 1000)
            progress(f"{count} idle connections, {sidecars.engine}: {each[-1]:.1f} kB each")
        ours, envoy = each
        return Row(f"{count:,} idle connections: memory of each", "kB", ours, envoy, limit=IDLE_LIMIT_KB)

    async def _routing(self) -> list[Row]:
        one = await self._rounds(PLAINTEXT)
        many = await self._rounds(ROUTING)
        ours, envoy = (_median_us(many[engine]) / _median_us(one[engine]) for engine in many)
        return [
            *rows(ROUTING, many["python"], many["envoy"]),
            Row(f"{ROUTING.name}: CPU, times that of one", "x", ours, envoy, limit=ROUTING_LIMIT),
        ]


def _median_us(figures: Sequence[Figures]) -> float:
    return median(each.total_us for each in figures)


def progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
