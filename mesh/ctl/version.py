"""``meshctl version``."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated

import typer

from mesh.ctl.api import ControlPlane
from mesh.ctl.errors import CommandError
from mesh.ctl.options import DEFAULT_CONTROL_PLANE, ControlPlaneOption
from mesh.model.version import VERSION


def version(
    remote: Annotated[bool, typer.Option(help="Ask the control plane, too.")] = True,
    output: Annotated[str, typer.Option("--output", "-o", help="json, or left out.")] = "",
    control_plane: ControlPlaneOption = DEFAULT_CONTROL_PLANE,
) -> None:
    """Show the versions of all parts."""
    said: dict[str, object] = {"client": VERSION}
    if remote:
        try:
            server = ControlPlane(control_plane)
            answer = server.get("/version")
            said["control_plane"] = answer.get("version", "unknown") if isinstance(answer, dict) else answer
            proxies = server.get("/debug/syncz")["proxies"]
            said["data_plane"] = dict(Counter(f"{one['version']} ({one['engine']})" for one in proxies))
        except CommandError as error:
            said["control_plane"] = f"unknown: {error}"
    if output == "json":
        print(json.dumps(said, indent=2))
        return
    print(f"client version: {said['client']}")
    if "control_plane" in said:
        print(f"control plane version: {said['control_plane']}")
    data_plane = said.get("data_plane")
    if isinstance(data_plane, dict):
        shares = [
            f"{name}, {count} {'proxy' if count == 1 else 'proxies'}" for name, count in data_plane.items()
        ]
        print(f"data plane version: {'; '.join(sorted(shares)) or 'none'}")
