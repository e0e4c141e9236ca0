"""Figures to ratios: medians over the rounds, ours over Envoy's. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from loadtests.bench.sidecars import Figures


@dataclass(frozen=True, slots=True)
class Row:
    """``ratio`` is ours / Envoy's; ``budget`` is what it may be at most (or at least), None = not planned."""

    what: str
    unit: str
    ours: float
    envoy: float
    budget: float | None = None
    more_is_better: bool = False

    @property
    def ratio(self) -> float:
        return self.ours / self.envoy if self.envoy else float("inf")

    @property
    def within(self) -> bool | None:
        if self.budget is None:
            return None
        return self.ratio >= self.budget if self.more_is_better else self.ratio <= self.budget


def rows(setting: str, budget: float, ours: Sequence[Figures], envoy: Sequence[Figures]) -> list[Row]:
    """The full-speed figures of one setting."""

    def row(what: str, unit: str, value: Callable[[Figures], float], **plan: float | bool) -> Row:
        middle = median(map(value, ours)), median(map(value, envoy))
        return Row(f"{setting}: {what}", unit, *middle, **plan)  # type: ignore[arg-type]

    return [
        row("CPU per request, client sidecar", "us", lambda f: f.client_cpu_us),
        row("CPU per request, server sidecar", "us", lambda f: f.server_cpu_us),
        row("CPU per request, the pair", "us", lambda f: f.pair_cpu_us, budget=budget),
        row(
            "requests/s of the pair on one core",
            "",
            lambda f: f.load.rate / min(1.0, f.utilisation),
            budget=1.3,
            more_is_better=True,
        ),
        row("p50 at full load", "us", lambda f: f.load.p50_us),
        row("p99 at full load", "us", lambda f: f.load.p99_us),
    ]


def paced_rows(setting: str, ours: Sequence[Figures], envoy: Sequence[Figures]) -> list[Row]:
    """Latency when both carry the same rate, half of what Envoy can."""
    return [
        Row(
            f"{setting}: p{share} at half of Envoy's load",
            "us",
            median(getattr(f.load, f"p{share}_us") for f in ours),
            median(getattr(f.load, f"p{share}_us") for f in envoy),
            budget=1.2 if share == 99 else None,
        )
        for share in (50, 99)
    ]


def render(table: Sequence[Row]) -> str:
    """The table as text, one line a row."""
    width = max(len(row.what) for row in table)
    lines = [f"{'':{width}}  {'ours':>10}  {'envoy':>10}  {'ratio':>6}  budget"]
    return "\n".join([*lines, *(_line(row, width) for row in table)])


def _line(row: Row, width: int) -> str:
    figures = f"{row.ours:>7.1f} {row.unit:2}  {row.envoy:>7.1f} {row.unit:2}  {row.ratio:>6.2f}"
    budget = ""
    if row.budget is not None:
        budget = f"{'>=' if row.more_is_better else '<='} {row.budget:g}{'' if row.within else '  MISSED'}"
    return f"{row.what:{width}}  {figures}  {budget}".rstrip()
