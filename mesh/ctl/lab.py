"""``meshctl lab``: list the labs, run one."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from labs.catalog import LABS
from labs.harness.lab import Lab, LabOptions, run_lab
from labs.harness.runtime import Runtime, RuntimeOptions
from labs.harness.screen import Screen
from mesh.ctl.errors import CommandError

PLAIN_WIDTH = 140  # columns of the last table where there is no terminal to ask

app = typer.Typer(
    help="List and run the labs: real services, real sidecars, real traffic, and a verdict with its proof.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


class RuntimeName(StrEnum):
    AUTO = "auto"
    PROCESS = "process"
    DOCKER = "docker"


class Dataplane(StrEnum):
    PYTHON = "python"
    ENVOY = "envoy"


@app.command("list")
def list_labs() -> None:
    """Every lab, the question it answers, and the ways to break it on purpose."""
    table = Table(box=None, pad_edge=False)
    for heading in ("LAB", "QUESTION", "SABOTAGES"):
        table.add_column(heading)
    for lab in LABS.values():
        table.add_row(lab.name, lab.question, ", ".join(lab.sabotages))
    Console().print(table)


@app.command("run")
def run(
    name: Annotated[str, typer.Argument(metavar="LAB", help="Which one: see `meshctl lab list`.")],
    runtime: Annotated[
        RuntimeName,
        typer.Option(
            help="Where the pods live. docker: a container each for app and sidecar, calls redirected by "
            "iptables. process: local processes on loopback addresses, calls sent through HTTP_PROXY. "
            "auto: docker when an engine answers, else process."
        ),
    ] = RuntimeName.AUTO,
    dataplane: Annotated[
        Dataplane,
        typer.Option(
            help="The engine of every sidecar: ours, or the real Envoy under the same control plane."
        ),
    ] = Dataplane.PYTHON,
    seed: Annotated[
        int | None,
        typer.Option(
            help="Fixes what the load sends: order, user agents, request ids. The report names it; give it "
            "again to repeat a run. Default: drawn."
        ),
    ] = None,
    sabotage: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Break the mesh on purpose, and see the lab fail for that reason: a lab that cannot fail "
            "proves nothing. `meshctl lab list` names the ways.",
        ),
    ] = "",
    fail_fast: Annotated[
        bool,
        typer.Option("--fail-fast", help="End at the first check that fails; default: carry on to the last."),
    ] = False,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Leave the mesh running after the verdict, to look around; Ctrl-C ends it."
        ),
    ] = False,
    runs: Annotated[
        Path, typer.Option(metavar="DIR", help="Where run folders go: history, logs, config, report.")
    ] = Path("labs/.runs"),
) -> None:
    """Run a lab, from nothing to a verdict; everything it started is gone when it ends.

    \b
    Exit status: 0 pass, 1 fail, 2 inconclusive (it could not be measured), 130 interrupted.
      meshctl lab run canary
      meshctl lab run canary --dataplane envoy --seed 7
      meshctl lab run canary --sabotage weights
    """
    lab = _lab(name, sabotage)
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    make, why = choose_runtime(runtime)
    seed = secrets.randbelow(2**31) if seed is None else seed
    console.print(f"[bold]{lab.name}[/]: {lab.question}", highlight=False, soft_wrap=True)
    console.print(f"[dim]{why}; {dataplane} data plane; seed {seed}[/]", highlight=False, soft_wrap=True)
    options = LabOptions(seed, dataplane.value, sabotage, fail_fast, keep, runs)
    raise typer.Exit(asyncio.run(run_lab(lab, options, make, Screen(console))))


def _lab(name: str, sabotage: str) -> Lab:
    lab = LABS.get(name)
    if lab is None:
        raise CommandError(f"lab: no lab is called {name!r}; there is {', '.join(LABS)}", status=2)
    if sabotage and sabotage not in lab.sabotages:
        raise CommandError(
            f"lab: {name} knows no sabotage {sabotage!r}; {', '.join(lab.sabotages)}", status=2
        )
    return lab


def choose_runtime(wanted: RuntimeName) -> tuple[Callable[[RuntimeOptions], Runtime], str]:
    """The runtime's class, and the sentence that says which and why. Raises CommandError."""
    if wanted is not RuntimeName.PROCESS:
        from labs.harness.docker_runtime import DockerRuntime, unavailable

        reason = unavailable()
        if reason is None:
            return DockerRuntime, "docker runtime"
        if wanted is RuntimeName.DOCKER:
            raise CommandError(f"lab: no Docker engine answers: {reason}", status=2)
        why = f"process runtime (no Docker engine answers: {reason})"
    else:
        why = "process runtime, as asked"
    from labs.harness.process_runtime import ProcessRuntime

    return ProcessRuntime, why
