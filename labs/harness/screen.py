"""What a run shows while it works: on a terminal a line with a running clock, elsewhere plain lines."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from labs.harness.report import Result
from labs.harness.verdict import Outcome, Verdict

MARKS: dict[Outcome, str] = {
    "pass": "[green]pass[/]",
    "fail": "[bold red]FAIL[/]",
    "inconclusive": "[yellow]inconclusive[/]",
}
TICK_S = 0.1
OTHER_COLUMNS = 1 + 12 + 5 + 4 * 2  # letter, verdict, seconds, and the gaps


class Screen:
    """``async with``: the clock ticks inside. No thread: children are forked from this process."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._doing = ""
        self._since = time.monotonic()
        self._ticker: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Screen:
        if self.console.is_terminal:
            self._live.start()
            self._ticker = asyncio.create_task(self._tick(), name="screen")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ticker is not None:
            self._ticker.cancel()
            self._live.update(Text(""), refresh=True)
            self._live.stop()

    def doing(self, text: str, same: bool = False) -> None:
        """What is going on now, until the next call; ``same`` lets the clock run on."""
        self._doing = text
        if not same:
            self._since = time.monotonic()

    def line(self, text: str) -> None:
        """A line that stays; rich markup."""
        self.console.print(text, highlight=False, soft_wrap=True)

    def step(self, letter: str, title: str) -> None:
        self.line(f"\n[bold]{letter}  {escape(title)}[/]")

    def note(self, text: str) -> None:
        self.line(f"   [dim]{escape(text)}[/]")

    def verdict(self, verdict: Verdict) -> None:
        self.line(f"   {MARKS[verdict.outcome]} {escape(verdict.check)}: {escape(verdict.reason)}")

    def end(self, result: Result, folder: Path) -> None:
        """The table of what was measured, the verdict, and where the rest is."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in ("", "what must hold", "verdict", "s", "measured"):
            table.add_column(heading, no_wrap=True)
        room = self.console.width - _widest_check(result) - OTHER_COLUMNS
        for step in result.steps:
            for at, verdict in enumerate(step.verdicts):
                seconds = f"{step.seconds:.1f}" if at == 0 else ""
                mark, seen = MARKS[verdict.outcome], escape(_shortened(verdict.reason, room))
                table.add_row(step.letter, escape(verdict.check), mark, seconds, seen)
        self.line("")
        self.console.print(table)
        for name, fact in result.facts.items():
            self.line(f"[dim]{escape(name)}: {escape(str(fact))}[/]")
        sabotage = f", sabotaged: {result.sabotage}" if result.sabotage else ""
        mesh = f"{result.runtime} runtime, {result.dataplane} data plane, seed {result.seed}{sabotage}"
        self.line(f"\n{MARKS[result.outcome]}  {result.lab}, {mesh}: {result.seconds:.1f} s")
        self.line(f"history, logs, config, report: {folder}")

    async def _tick(self) -> None:
        while True:
            clock = f"{time.monotonic() - self._since:5.1f} s"
            text = f"   {clock}  {self._doing}" if self._doing else ""
            self._live.update(Text(text, "dim", no_wrap=True, overflow="ellipsis"), refresh=True)
            await asyncio.sleep(TICK_S)


def _widest_check(result: Result) -> int:
    return max((len(verdict.check) for step in result.steps for verdict in step.verdicts), default=0)


def _shortened(text: str, room: int) -> str:
    """One line of at most ``room`` columns; all of it stands above and in the report."""
    line = " ".join(text.split())
    return line if len(line) <= room else line[: max(room - 1, 0)] + "…"
