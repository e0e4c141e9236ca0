"""Figures to ratios: medians over the rounds, ours over the other's. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from loadtests.bench.round import Figures
from loadtests.bench.settings import Setting


@dataclass(frozen=True, slots=True)
class Row:
    """``ratio`` is ours / the other's; ``budget`` is what it may be at most (or at least), ``limit`` what
    ours may be at most, in the row's unit, whatever the other's is; None = not planned.
    """

    what: str
    unit: str
    ours: float
    other: float
    budget: float | None = None
    more_is_better: bool = False
    limit: float | None = None

    @property
    def ratio(self) -> float:
        return self.ours / self.other if self.other else float("inf")

    @property
    def within(self) -> bool | None:
        if self.limit is not None and self.ours > self.limit:
            return False
        if self.budget is None:
            return None if self.limit is None else True
        return self.ratio >= self.budget if self.more_is_better else self.ratio <= self.budget


def rows(setting: Setting, ours: Sequence[Figures], envoy: Sequence[Figures]) -> list[Row]:
    """The full-speed figures of one setting."""

    def row(what: str, unit: str, value: Callable[[Figures], float], **plan: float | bool | None) -> Row:
        middle = median(map(value, ours)), median(map(value, envoy))
        return Row(f"{setting.name}: {what}", unit, *middle, **plan)  # type: ignore[arg-type]

    pair = row("CPU per request, the pair", "us", lambda f: f.total_us, budget=setting.budget)
    if not setting.whole:
        return [pair]
    return [
        row("CPU per request, client sidecar", "us", lambda f: f.cpu_us[0]),
        row("CPU per request, server sidecar", "us", lambda f: f.cpu_us[1]),
        pair,
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


def paced_rows(setting: Setting, ours: Sequence[Figures], envoy: Sequence[Figures]) -> list[Row]:
    """Latency when both carry the same rate, half of what Envoy can."""
    return [
        Row(
            f"{setting.name}: p{share} at half of Envoy's load",
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
    lines = [f"{'':{width}}  {'ours':>10}  {'other':>10}  {'ratio':>6}  budget"]
    return "\n".join([*lines, *(_line(row, width) for row in table)])


def _line(row: Row, width: int) -> str:
    figures = f"{row.ours:>7.1f} {row.unit:2}  {row.other:>7.1f} {row.unit:2}  {row.ratio:>6.2f}"
    plan = []
    if row.budget is not None:
        plan.append(f"{'>=' if row.more_is_better else '<='} {row.budget:g}")
    if row.limit is not None:
        plan.append(f"ours <= {row.limit:g} {row.unit}".rstrip())
    missed = "  MISSED" if row.within is False else ""
    return f"{row.what:{width}}  {figures}  {', '.join(plan)}{missed}".rstrip()
