"""Where ``proxy-config`` reads from: the admin interface of the sidecar, of either engine.

The control plane knows its address. Containers keep admin inside their pod; then the control plane's own
view (what it would send) stands in, and stderr says so. A dump that is another sidecar's is never shown:
several pods say 127.0.0.1:15000, and on this machine that may be anybody.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mesh.ctl.api import ControlPlane, call
from mesh.ctl.config_dump import node_id
from mesh.ctl.errors import CommandError
from mesh.ctl.proxy_status import select

TIMEOUT_S = 5.0


class _UnreachableError(Exception):
    """The sidecar's admin cannot be asked from here; the message says why."""


class Sidecar:
    """One sidecar's configuration, by pod name or from a saved dump."""

    def __init__(self, control_plane: str, pod: str, dump_file: Path | None = None) -> None:
        self._control_plane = control_plane
        self._pod = pod
        self._dump_file = dump_file
        self._proxy: dict[str, Any] | None = None

    def config_dump(self) -> dict[str, Any]:
        """/config_dump with endpoints and secrets."""
        if self._dump_file is not None:
            return _read(self._dump_file)
        proxy = self._find()
        try:
            dump = _get(str(proxy["admin"]), "/config_dump?include_eds")
            if node_id(dump) != proxy["id"]:
                raise _UnreachableError(f"{proxy['admin']} is not {self._pod}")
        except _UnreachableError as reason:
            return self._from_control_plane(str(proxy["proxy"]), reason)
        return dump

    def cluster_statuses(self) -> dict[str, Any] | None:
        """/clusters in JSON; None where only a dump can be had."""
        if self._dump_file is not None:
            return None
        admin = str(self._find()["admin"])
        try:
            own = _get(admin, "/server_info").get("node", {}).get("id")
            return _get(admin, "/clusters?format=json") if own == self._find()["id"] else None
        except _UnreachableError:
            return None

    def _find(self) -> dict[str, Any]:
        if self._proxy is None:
            if not self._pod:
                raise CommandError("expected the name of a pod, or --file with a saved config dump", 2)
            server = ControlPlane(self._control_plane)
            self._proxy = select(server.get("/debug/syncz")["proxies"], self._pod)
        return self._proxy

    def _from_control_plane(self, proxy: str, reason: Exception) -> dict[str, Any]:
        dump = ControlPlane(self._control_plane).get("/debug/config_dump", {"proxyID": proxy})
        if not isinstance(dump, dict) or "configs" not in dump:
            raise CommandError(f"cannot ask the sidecar: {reason}")
        print(f"cannot ask the sidecar ({reason}): this is what the control plane sends it", file=sys.stderr)
        return dump


def _get(netloc: str, target: str) -> dict[str, Any]:
    status, body = call(netloc, "GET", target, None, {}, TIMEOUT_S, _UnreachableError)
    if status != 200:
        raise _UnreachableError(f"{netloc} answered {status}")
    try:
        return dict(json.loads(body))
    except ValueError as error:
        raise _UnreachableError(f"{netloc} did not answer in JSON") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        dump = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"{path}: not a config dump: {error}") from error
    if not isinstance(dump, dict) or "configs" not in dump:
        raise CommandError(f"{path}: not a config dump: it has no configs")
    return dump
