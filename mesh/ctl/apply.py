"""``meshctl apply``: hand YAML to galley, say what became of each object, and of every fault where it is."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from mesh.ctl.api import ControlPlane
from mesh.ctl.errors import CommandError
from mesh.ctl.kinds import shown
from mesh.ctl.options import (
    DEFAULT_CONTROL_PLANE,
    ControlPlaneOption,
    TimeoutOption,
    TokenFileOption,
    WaitOption,
    duration_s,
)
from mesh.ctl.wait import report

YAML_SUFFIXES = (".yaml", ".yml", ".json")


def read_files(names: Iterable[str]) -> list[tuple[str, str]]:
    """(name to show, text) of every file named; a directory stands for its YAML files, ``-`` for stdin."""
    texts = []
    for name in names:
        if name == "-":
            texts.append(("<stdin>", sys.stdin.read()))
            continue
        for path in _files(Path(name)):
            try:
                texts.append((str(path), path.read_text(encoding="utf-8")))
            except (OSError, UnicodeDecodeError) as error:
                reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
                raise CommandError(f"{path}: {reason}") from error
    return texts


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(one for one in path.rglob("*") if one.suffix in YAML_SUFFIXES and one.is_file())
    if not found:
        raise CommandError(f"{path}: no YAML file in this directory")
    return found


def fault_line(fault: dict[str, Any]) -> str:
    """``rules.yaml:12: VirtualService default/reviews spec.http[0]: what is wrong``."""
    where = " ".join(part for part in (fault.get("object"), fault.get("path")) if part)
    return f"{fault['file']}:{fault['line']}: " + (f"{where}: " if where else "") + str(fault["message"])


def apply(
    file: Annotated[
        list[str], typer.Option("--file", "-f", metavar="FILE|DIR|-", help="What to apply; may be repeated.")
    ],
    wait: WaitOption = False,
    timeout: TimeoutOption = "30s",
    control_plane: ControlPlaneOption = DEFAULT_CONTROL_PLANE,
    token_file: TokenFileOption = "",
) -> None:
    """Apply Istio YAML, all faults at once.

    Kinds: VirtualService, DestinationRule, PeerAuthentication, Service. Every fault is shown with its
    file and line; the good objects are applied, the bad ones stay as they were.

    \b
      meshctl apply -f reviews-v1.yaml
      meshctl apply -f rules/ --wait --timeout 10s
      sed s/80/95/ split.yaml | meshctl apply -f -
    """
    wait_s = duration_s(timeout) if wait else None
    server = ControlPlane(control_plane, token_file)
    texts = read_files(file)
    faults, waited = 0, None
    for number, (name, text) in enumerate(texts, 1):
        last = number == len(texts)  # a later change is only served by who serves the earlier ones
        status, answer = server.apply(text, name, wait_s if last else None)
        faults += _show(answer, status)
        waited = answer.get("wait")
    if faults:
        raise CommandError(f"{faults} fault{'s' if faults > 1 else ''}: what they name is left as it was")
    if line := report(waited, timeout):
        print(line)


def _show(answer: dict[str, Any], status: int) -> int:
    """Print what became of one file; the number of its faults."""
    for one in answer.get("applied", ()):
        print(f"{shown(one['kind'], one['name'])} {one['verb']}")
    for warning in answer.get("warnings", ()):
        print(f"{warning.get('severity', 'warning')}: {fault_line(warning)}", file=sys.stderr)
    faults = answer.get("faults", ())
    for fault in faults:
        print(fault_line(fault), file=sys.stderr)
    if status == 400 and not faults:
        raise CommandError(str(answer.get("error", "the control plane refused it and did not say why")))
    return len(faults)
