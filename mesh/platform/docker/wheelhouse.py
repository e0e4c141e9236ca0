"""The wheelhouse: every wheel an image needs, fetched on the host, so that the build needs no network.

Wheels are chosen for the image's Python and C library, not the host's; the versions are those of the running
installation where it has them, so that a container runs what the tests ran. Kept in the user's cache by
content hash.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

OLDEST_GLIBC = 5  # manylinux_2_5 is manylinux1, the first
ALIASES = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}
STALE_S = 24 * 3600.0  # a wheelhouse not used for a day makes room for its successor
PIP_TIMEOUT_S = 600.0


class WheelhouseError(Exception):
    """The wheels cannot be fetched; the text is the end of what pip said."""


@dataclass(frozen=True, slots=True)
class Target:
    """What the wheels must fit: Python "3.11", machine "x86_64", the minor version of glibc 2."""

    python: str
    machine: str
    glibc: int

    def platforms(self) -> list[str]:
        """Every wheel platform the target takes (PEP 600), the newest first."""
        tags: list[str] = []
        for minor in range(self.glibc, OLDEST_GLIBC - 1, -1):
            tags.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in ALIASES:
                tags.append(f"{ALIASES[minor]}_{self.machine}")
        return tags


def requirements(pyproject: str) -> list[str]:
    """The project's dependencies and the real Envoy's, from the text of pyproject.toml."""
    project = tomllib.loads(pyproject)["project"]
    return [*project["dependencies"], *project["optional-dependencies"]["envoy"]]


def installed_versions(wanted: Iterable[str]) -> list[str]:
    """``name==version`` of the wanted and of all they require in turn, as installed here, sorted.

    Extras and markers are not weighed: a version too many constrains nothing, one too few is left to pip.
    """
    found: dict[str, str] = {}
    names = [_name(requirement) for requirement in wanted]
    while names:
        name = names.pop()
        if name in found:
            continue
        try:
            distribution = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[name] = distribution.version
        names += [_name(each) for each in distribution.requires or () if "extra ==" not in each]
    return sorted(f"{name}=={version}" for name, version in found.items())


def _name(requirement: str) -> str:
    """The normalised name (PEP 503) a requirement begins with."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", name[0]).lower() if name else ""


def cache_dir() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "mesh-labs"


def pip_arguments(wanted: Path, versions: Path | None, target: Target, into: Path) -> list[str]:
    """``pip download`` of wheels only: with a foreign platform pip takes nothing else."""
    arguments = ["download", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"]
    arguments += ["--implementation", "cp", "--python-version", target.python, "--dest", str(into)]
    for platform in target.platforms():
        arguments += ["--platform", platform]
    arguments += ["--requirement", str(wanted)]
    return arguments if versions is None else [*arguments, "--constraint", str(versions)]


def wheelhouse(wanted: Iterable[str], versions: Iterable[str], target: Target) -> Path:
    """The directory with the wheels; fetched when it is not in the cache. Raises WheelhouseError."""
    wanted, versions = "\n".join(wanted), "\n".join(versions)
    key = hashlib.sha256(f"{wanted}\n\n{versions}\n\n{target}".encode()).hexdigest()[:16]
    place = cache_dir() / "wheelhouse" / key
    if not place.is_dir():
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".fetching-") as temporary:
            _fetch(Path(temporary), wanted, versions, target)
            (Path(temporary) / "wheels").rename(place)
        _forget_stale(place)
    os.utime(place)
    return place


def _fetch(folder: Path, wanted: str, versions: str, target: Target) -> None:
    """With our versions first; a version of ours that has no wheel for the target lets go of them all."""
    (folder / "requirements").write_text(wanted)
    (folder / "versions").write_text(versions)
    error = ""
    for constraint in (folder / "versions", None):
        arguments = pip_arguments(folder / "requirements", constraint, target, folder / "wheels")
        done = subprocess.run(
            [sys.executable, "-m", "pip", *arguments],
            capture_output=True,
            text=True,
            timeout=PIP_TIMEOUT_S,
            check=False,
        )
        if done.returncode == 0:
            return
        error = "\n".join(done.stderr.strip().splitlines()[-3:])
        shutil.rmtree(folder / "wheels", ignore_errors=True)
    raise WheelhouseError(error)


def _forget_stale(current: Path) -> None:
    for other in current.parent.iterdir():
        if other != current and time.time() - other.stat().st_mtime > STALE_S:
            shutil.rmtree(other, ignore_errors=True)
