"""``meshctl delete``: take objects away again, by name or by the file they came from."""

from __future__ import annotations

from typing import Annotated, Any

import typer
import yaml

from mesh.ctl.api import ControlPlane, NotFoundError
from mesh.ctl.apply import read_files
from mesh.ctl.errors import CommandError
from mesh.ctl.kinds import kind_of, shown
from mesh.ctl.options import (
    DEFAULT_CONTROL_PLANE,
    ControlPlaneOption,
    NamespaceOption,
    TimeoutOption,
    TokenFileOption,
    WaitOption,
    duration_s,
)
from mesh.ctl.wait import report

Key = tuple[str, str, str]  # kind, namespace, name


def keys_in(texts: list[tuple[str, str]], namespace: str) -> list[Key]:
    """What the documents of some files are called. Raises CommandError for one without kind and name."""
    keys = []
    for name, text in texts:
        try:
            documents = [document for document in yaml.safe_load_all(text) if document is not None]
        except yaml.YAMLError as error:
            raise CommandError(f"{name}: {' '.join(str(error).split())}") from error
        for number, document in enumerate(documents, 1):
            keys.append(_key(document, namespace, f"{name}: document {number}"))
    return keys


def _key(document: Any, namespace: str, where: str) -> Key:
    try:
        metadata = document["metadata"]
        return kind_of(document["kind"]), metadata.get("namespace", namespace), metadata["name"]
    except (KeyError, TypeError, AttributeError) as error:
        raise CommandError(f"{where}: expected an object with kind and metadata.name") from error


def delete(
    kind: Annotated[str, typer.Argument(metavar="[KIND", show_default=False)] = "",
    name: Annotated[list[str] | None, typer.Argument(metavar="NAME...]", show_default=False)] = None,
    file: Annotated[
        list[str] | None, typer.Option("--file", "-f", metavar="FILE|DIR|-", help="Delete what stands there.")
    ] = None,
    namespace: NamespaceOption = "default",
    wait: WaitOption = False,
    timeout: TimeoutOption = "30s",
    control_plane: ControlPlaneOption = DEFAULT_CONTROL_PLANE,
    token_file: TokenFileOption = "",
) -> None:
    """Delete configuration.

    \b
      meshctl delete virtualservice reviews
      meshctl delete dr reviews ratings --wait
      meshctl delete -f rules/
    """
    if bool(file) == bool(kind) or (kind and not name):
        raise CommandError("delete: expected KIND NAME..., or -f FILE", 2)
    wait_s = duration_s(timeout) if wait else None
    server = ControlPlane(control_plane, token_file)
    if file:
        keys = keys_in(read_files(file), namespace)
    else:
        keys = [(kind_of(kind), namespace, one) for one in name or ()]
    missing, waited = [], None
    for number, key in enumerate(keys, 1):
        try:
            answer = server.delete(*key, wait_s if number == len(keys) else None)
        except NotFoundError:
            missing.append(f"{shown(key[0], key[2])} in namespace {key[1]}")
        else:
            waited = answer.get("wait")
            print(f"{shown(key[0], key[2])} deleted")
    if missing:
        raise CommandError(f"not found: {', '.join(missing)}")
    if line := report(waited, timeout):
        print(line)
