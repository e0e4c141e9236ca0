"""Where ``proxy-config`` reads from: the admin interface of the sidecar, of either engine.

The control plane knows its address. A container keeps admin on its own 127.0.0.1, where on this machine
may be anybody; so what answers must be the sidecar that was asked for, else it is asked from inside its
container.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mesh.ctl.api import ControlPlane, call
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
        return self._ask("/config_dump?include_eds")

    def cluster_statuses(self) -> dict[str, Any] | None:
        """/clusters in JSON; None where only a dump can be had."""
        return None if self._dump_file is not None else self._ask("/clusters?format=json")

    def _ask(self, target: str) -> dict[str, Any]:
        """From here if it is there, else from inside its container. Raises CommandError."""
        proxy = self._find()
        admin, wanted = str(proxy["admin"]), str(proxy["id"])
        try:
            return _asked(wanted, target, lambda one: _get(admin, one))
        except _UnreachableError as error:
            reason = error
        from mesh.ctl.in_container import NoContainerError, fetch  # the Docker SDK is slow to import

        address = wanted.split("~")[1]
        try:
            return _asked(wanted, target, lambda one: _parse(fetch(address, f"http://{admin}{one}"), admin))
        except (NoContainerError, _UnreachableError) as inside:
            raise CommandError(f"cannot ask {self._pod}: {reason}; {inside}") from inside

    def _find(self) -> dict[str, Any]:
        if self._proxy is None:
            if not self._pod:
                raise CommandError("expected the name of a pod, or --file with a saved config dump", 2)
            server = ControlPlane(self._control_plane)
            self._proxy = select(server.get("/debug/syncz")["proxies"], self._pod)
        return self._proxy


def _asked(node_id: str, target: str, get: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
    """What the sidecar of this node answers; another's answer is none."""
    answered = get("/server_info").get("node", {}).get("id", "nobody")
    if answered != node_id:
        raise _UnreachableError(f"its address leads to {answered}")
    return get(target)


def _get(netloc: str, target: str) -> dict[str, Any]:
    status, body = call(netloc, "GET", target, None, {}, TIMEOUT_S, _UnreachableError)
    if status != 200:
        raise _UnreachableError(f"{netloc} answered {status}")
    return _parse(body, netloc)


def _parse(body: bytes, netloc: str) -> dict[str, Any]:
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
