"""``meshctl proxy-status``: how far each sidecar is with what the control plane sent it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from mesh.ctl.api import ControlPlane
from mesh.ctl.columns import table
from mesh.ctl.errors import CommandError
from mesh.ctl.options import DEFAULT_CONTROL_PLANE, ControlPlaneOption

TYPES = ("CDS", "ECDS", "EDS", "LDS", "RDS")  # istioctl's columns; ECDS is not used here
HEADINGS = ("NAME", "CLUSTER", *TYPES, "ISTIOD", "VERSION")

Proxy = dict[str, Any]


def overview(proxies: list[Proxy], control_plane: str) -> str:
    """istioctl's table, one line a sidecar."""
    rows = []
    for proxy in proxies:
        statuses = [proxy["types"].get(type_name, {}).get("status", "IGNORED") for type_name in TYPES]
        version = f"{proxy['version']} ({proxy['engine']})"
        rows.append((proxy["proxy"], proxy["cluster"], *statuses, control_plane, version))
    return table(HEADINGS, rows)


def errors(proxies: list[Proxy]) -> list[str]:
    """Why a sidecar refused something, in its own words."""
    return [
        f"{proxy['proxy']} rejected {type_name}: {status['error']}"
        for proxy in proxies
        for type_name, status in proxy["types"].items()
        if status.get("error")
    ]


def details(proxy: Proxy) -> str:
    """One sidecar, a line a type."""
    rows = [
        (name, status["status"], status["version"], status["sent_nonce"], status["acked_nonce"])
        for name, status in proxy["types"].items()
    ]
    return table(("TYPE", "STATUS", "VERSION", "SENT", "ACKED"), rows)


def select(proxies: list[Proxy], name: str) -> Proxy:
    """The sidecar called ``name`` or ``name.namespace``. Raises CommandError when there is none, or
    several.
    """
    found = [one for one in proxies if name in (one["proxy"], one["proxy"].rpartition(".")[0])]
    if len(found) == 1:
        return found[0]
    known = ", ".join(one["proxy"] for one in proxies) or "none"
    if found:
        raise CommandError(f"{name} is in several namespaces: {', '.join(one['proxy'] for one in found)}")
    raise CommandError(f"no sidecar {name} is connected; there are: {known}")


def proxy_status(
    name: Annotated[str, typer.Argument(metavar="[POD]", show_default=False)] = "",
    output: Annotated[str, typer.Option("--output", "-o", help="json, or left out for the table.")] = "",
    control_plane: ControlPlaneOption = DEFAULT_CONTROL_PLANE,
) -> None:
    """Show how far each sidecar is (short: ps).

    SYNCED: it serves the newest. STALE: sent, no answer yet. ERROR: it refused. NOT SENT: nothing to send.
    IGNORED: it asked for none of that type.

    \b
      meshctl ps
      meshctl ps reviews-v1-0
    """
    server = ControlPlane(control_plane)
    proxies = sorted(server.get("/debug/syncz")["proxies"], key=lambda proxy: str(proxy["proxy"]))
    shown = [select(proxies, name)] if name else proxies
    if output == "json":
        print(json.dumps(shown, indent=2))
        return
    print(details(shown[0]) if name else overview(shown, server.url.removeprefix("http://")), end="")
    for line in errors(shown):
        print(line)
