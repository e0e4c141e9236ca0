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

from labs.catalog import LABS
from labs.harness.lab import Lab, LabOptions, run_lab
from labs.harness.runtime import Runtime, RuntimeOptions
from labs.harness.screen import Screen
from mesh.ctl.errors import CommandError
from mesh.proxy.bootstrap import MAX_CONCURRENCY

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


LabArgument = Annotated[str, typer.Argument(metavar="LAB", help="Which one: see `meshctl lab list`.")]
RuntimeOption = Annotated[
    RuntimeName,
    typer.Option(
        help="Where the pods live. docker: a container each for app and sidecar, calls redirected by "
        "iptables. process: local processes on loopback addresses, calls sent through HTTP_PROXY. "
        "auto: docker when an engine answers, else process."
    ),
]
DataplaneOption = Annotated[
    Dataplane,
    typer.Option(help="The engine of every sidecar: ours, or the real Envoy under the same control plane."),
]
ConcurrencyOption = Annotated[
    int,
    typer.Option(min=0, max=MAX_CONCURRENCY, help="Workers of each sidecar; 0: one for each processor."),
]
SeedOption = Annotated[
    int | None,
    typer.Option(
        help="Fixes what the load sends: order, user agents, request ids. The report names it; give it again "
        "to send the same. Default: drawn."
    ),
]
SabotageOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Break the mesh on purpose, and see the lab fail for that reason: a lab that cannot fail proves "
        "nothing. `meshctl lab list` names the ways.",
    ),
]
FailFastOption = Annotated[
    bool,
    typer.Option("--fail-fast", help="End at the first check that fails; default: carry on to the last."),
]
KeepOption = Annotated[
    bool,
    typer.Option("--keep", help="Leave the mesh running after the verdict, to look around; Ctrl-C ends it."),
]
RunsOption = Annotated[
    Path, typer.Option(metavar="DIR", help="Where run folders go: history, logs, config, report.")
]


@app.command("list")
def list_labs() -> None:
    """Every lab, the question it answers, and the ways to break it on purpose."""
    for lab in LABS.values():
        typer.echo(f"{lab.name}: {lab.question}")
        for sabotage, effect in lab.sabotages.items():
            typer.echo(f"    --sabotage {sabotage:8} {effect}")


@app.command("run")
def run(
    name: LabArgument,
    runtime: RuntimeOption = RuntimeName.AUTO,
    dataplane: DataplaneOption = Dataplane.PYTHON,
    concurrency: ConcurrencyOption = 1,
    seed: SeedOption = None,
    sabotage: SabotageOption = "",
    fail_fast: FailFastOption = False,
    keep: KeepOption = False,
    runs: RunsOption = Path("labs/.runs"),
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
    workers = "" if concurrency == 1 else f" of {concurrency or 'as many workers as processors'} workers"
    console.print(
        f"[dim]{why}; {dataplane} data plane{workers}; seed {seed}[/]", highlight=False, soft_wrap=True
    )
    options = LabOptions(seed, dataplane.value, concurrency, sabotage, fail_fast, keep, runs)
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
