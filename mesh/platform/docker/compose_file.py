"""Reading and writing compose files, so that what is written means the same from any directory. Pure.

Read as YAML 1.2, as compose v2 does (``22:22`` is text, not 1342); written by a YAML 1.1 writer, which quotes
what docker-compose 1.29 would otherwise read as a number or a truth value.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

Document = dict[str, Any]


class ComposeFileError(ValueError):
    """Not YAML, or not a mapping."""


def read(text: str, folder: Path) -> Document:
    """The document with its relative paths made absolute, from ``folder``. Raises ComposeFileError."""
    reader = YAML(typ="safe", pure=True)
    try:
        document = reader.load(io.StringIO(text))
    except YAMLError as error:
        raise ComposeFileError(str(error)) from error
    if not isinstance(document, dict):
        raise ComposeFileError("expected a mapping")
    return rooted(document, folder)


def write(document: Document) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=120)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True  # the same volume twice is written twice, not as an anchor


def rooted(document: Document, folder: Path) -> Document:
    """The same document, in place, with absolute paths where compose starts from the file's directory."""
    for service in (document.get("services") or {}).values():
        if isinstance(service, dict):
            _root_service(service, folder)
    for section in ("configs", "secrets"):
        for entry in (document.get(section) or {}).values():
            if isinstance(entry, dict) and "file" in entry:
                entry["file"] = _absolute(str(entry["file"]), folder)
    return document


def _root_service(service: Document, folder: Path) -> None:
    build = service.get("build")
    if isinstance(build, str):
        service["build"] = _absolute(build, folder)
    elif isinstance(build, dict) and "context" in build:
        build["context"] = _absolute(str(build["context"]), folder)
    files = service.get("env_file")
    if isinstance(files, str):
        service["env_file"] = _absolute(files, folder)
    elif isinstance(files, list):
        service["env_file"] = [_absolute(file, folder) if isinstance(file, str) else file for file in files]
    if isinstance(service.get("volumes"), list):
        service["volumes"] = [_root_volume(volume, folder) for volume in service["volumes"]]


def _root_volume(volume: Any, folder: Path) -> Any:
    """Short form: only what begins with a dot is a path from here. Long form: a bind's source."""
    if isinstance(volume, dict):
        if volume.get("type") == "bind" and "source" in volume:
            return volume | {"source": _absolute(str(volume["source"]), folder)}
        return volume
    source, colon, rest = str(volume).partition(":")
    return f"{_absolute(source, folder)}{colon}{rest}" if source.startswith(".") else volume


def _absolute(path: str, folder: Path) -> str:
    """URLs, variables and home directories stay as they are."""
    if "://" in path or path.startswith(("/", "~", "$", "git@", "github.com/")):
        return path
    return str((folder / path).resolve())
