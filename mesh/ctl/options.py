"""Options that several verbs share; each is spelled and explained once."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from mesh.ctl.errors import CommandError

CONTROL_PLANE_ENV = "MESH_CONTROL_PLANE"
TOKEN_FILE_ENV = "MESH_TOKEN_FILE"
DEFAULT_CONTROL_PLANE = "http://127.0.0.1:15014"
DEFAULT_TOKEN_FILE = "mesh-data/admin-token"  # where `meshctl control-plane` leaves it by default

ControlPlaneOption = Annotated[
    str,
    typer.Option(
        "--control-plane",
        envvar=CONTROL_PLANE_ENV,
        metavar="URL",
        help="Where the control plane's HTTP port is.",
    ),
]
TokenFileOption = Annotated[
    str,
    typer.Option(
        "--token-file",
        envvar=TOKEN_FILE_ENV,
        metavar="FILE",
        help="The control plane's admin-token, for what changes configuration.",
    ),
]
NamespaceOption = Annotated[str, typer.Option("--namespace", "-n", metavar="NAME")]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Return when every sidecar serves the change, fail if one does not.")
]
TimeoutOption = Annotated[
    str, typer.Option("--timeout", metavar="DURATION", help="How long --wait waits, e.g. 30s or 2m.")
]

_UNITS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}


def duration_s(text: str, option: str = "--timeout") -> float:
    """Seconds of ``30s``, ``2m``, ``500ms`` or plain ``30``. Raises CommandError (status 2) for anything
    else.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|)", text)
    if found is None:
        raise CommandError(f"{option}: expected a duration like 30s or 2m, got {text!r}", 2)
    return float(found.group(1)) * _UNITS[found.group(2)]
