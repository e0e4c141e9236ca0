"""``meshctl proxy-config``: what one sidecar runs, in istioctl's tables. Works for both engines."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from mesh.ctl import config_dump as dumps
from mesh.ctl.columns import table
from mesh.ctl.listener_rows import LISTENER_HEADINGS, listener_rows
from mesh.ctl.options import DEFAULT_CONTROL_PLANE, ControlPlaneOption
from mesh.ctl.secret_rows import SECRET_HEADINGS, secret_rows, secrets
from mesh.ctl.sidecar import Sidecar


class Output(StrEnum):
    """The forms ``-o`` takes."""

    SHORT = "short"
    JSON = "json"
    YAML = "yaml"


PodArgument = Annotated[str, typer.Argument(metavar="[POD[.NAMESPACE]]", show_default=False)]
OutputOption = Annotated[Output, typer.Option("--output", "-o")]
FileOption = Annotated[
    Path | None, typer.Option("--file", "-f", metavar="DUMP", help="A saved /config_dump instead of a pod.")
]

HELP = """\
Show what one sidecar runs (short: pc).

\b
  meshctl pc clusters reviews-v1-0
  meshctl pc routes productpage-v1-0 --name 9080 -o json
  meshctl pc endpoints productpage-v1-0 --cluster 'outbound|9080|v1|reviews.default.svc.cluster.local'
  meshctl pc secret reviews-v1-0
"""
proxy_config = typer.Typer(help=HELP, no_args_is_help=True, rich_markup_mode=None)


def show(output: Output, raw: Any, headings: Sequence[str], rows: Callable[[], list[dumps.Row]]) -> None:
    """A table, or what it was made from; ``rows`` is only made for the table."""
    if output is Output.JSON:
        print(json.dumps(raw, indent=2))
    elif output is Output.YAML:
        print(yaml.safe_dump(raw, sort_keys=False), end="")
    else:
        print(table(headings, rows()), end="")


def _command(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register a verb under its plural and, hidden, under istioctl's other spellings."""

    def register(command: Callable[..., None]) -> Callable[..., None]:
        for name in names:
            proxy_config.command(name, hidden=name != names[0])(command)
        return command

    return register


@_command("clusters", "cluster", "c")
def clusters(
    pod: PodArgument = "",
    fqdn: Annotated[str, typer.Option(metavar="HOST", help="Only this service's.")] = "",
    output: OutputOption = Output.SHORT,
    file: FileOption = None,
    control_plane: ControlPlaneOption = DEFAULT_CONTROL_PLANE,
) -> None:
    """Clusters: where it can send to."""
    dump = Sidecar(control_plane, pod, file).config_dump()
    raw = [one for one in dumps.clusters(dump) if not fqdn or fqdn in one["name"].split("|")]

    def rows() -> list[dumps.Row]:
        return [row for row in dumps.cluster_rows(dump) if not fqdn or row[0] == fqdn]

    show(output, raw, dumps.CLUSTER_HEADINGS, rows)


@_command("listeners", "listener", "l")
def listeners(
    pod: PodArgument = "",
    port: Annotated[int, typer.Option(help="Only those on this port.")] = 0,
    output: OutputOption = Output.SHORT,
    file: FileOption = None,
    control_plane: ControlPlaneOption = DEFAULT_CONTROL_PLANE,
) -> None:
    """Listeners: what it does with a connection."""
    dump = Sidecar(control_plane, pod, file).config_dump()

    def wanted(listener: dict[str, Any]) -> bool:
        socket = listener.get("address", {}).get("socket_address", {})
        return not port or socket.get("port_value") == port

    def rows() -> list[dumps.Row]:
        return [row for row in listener_rows(dump) if not port or row[1] == str(port)]

    show(output, [one for one in dumps.listeners(dump) if wanted(one)], LISTENER_HEADINGS, rows)


@_command("routes", "route", "r")
def routes(
    pod: PodArgument = "",
    name: Annotated[str, typer.Option(help="Only this route configuration.")] = "",
    output: OutputOption = Output.SHORT,
    file: FileOption = None,
    control_plane: ControlPlaneOption = DEFAULT_CONTROL_PLANE,
) -> None:
    """Routes: hosts, matches, virtual services."""
    dump = Sidecar(control_plane, pod, file).config_dump()
    raw = [one for one in dumps.routes(dump) if not name or one.get("name") == name]

    def rows() -> list[dumps.Row]:
        return [row for row in dumps.route_rows(dump) if not name or row[0] == name]

    show(output, raw, dumps.ROUTE_HEADINGS, rows)


@_command("endpoints", "endpoint", "ep")
def endpoints(
    pod: PodArgument = "",
    cluster: Annotated[str, typer.Option(metavar="NAME", help="Only this cluster's.")] = "",
    output: OutputOption = Output.SHORT,
    file: FileOption = None,
    control_plane: ControlPlaneOption = DEFAULT_CONTROL_PLANE,
) -> None:
    """Endpoints: addresses and their health."""
    sidecar = Sidecar(control_plane, pod, file)
    statuses = sidecar.cluster_statuses() or dumps.statuses_of(sidecar.config_dump())
    kept = [one for one in statuses.get("cluster_statuses", ()) if not cluster or one["name"] == cluster]

    def rows() -> list[dumps.Row]:
        return dumps.endpoint_rows({"cluster_statuses": kept})

    show(output, kept, dumps.ENDPOINT_HEADINGS, rows)


@_command("secret", "secrets", "s")
def secret(
    pod: PodArgument = "",
    output: OutputOption = Output.SHORT,
    file: FileOption = None,
    control_plane: ControlPlaneOption = DEFAULT_CONTROL_PLANE,
) -> None:
    """Secrets: its certificate, the roots it trusts."""
    dump = Sidecar(control_plane, pod, file).config_dump()
    show(output, secrets(dump), SECRET_HEADINGS, lambda: secret_rows(dump, datetime.now(UTC)))


@_command("bootstrap", "b")
def bootstrap(
    pod: PodArgument = "",
    output: OutputOption = Output.JSON,
    file: FileOption = None,
    control_plane: ControlPlaneOption = DEFAULT_CONTROL_PLANE,
) -> None:
    """Bootstrap: what it was started with."""
    found = dumps.part(Sidecar(control_plane, pod, file).config_dump(), "BootstrapConfigDump")
    node = found.get("bootstrap", {}).get("node", {})
    row = (str(node.get("id", "")), str(node.get("cluster", "")))
    show(output, found, ("NODE", "CLUSTER"), lambda: [row])
