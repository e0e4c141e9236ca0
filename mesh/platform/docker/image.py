"""The image ``mesh-labs:<content hash>``: control plane, sidecar, demo services and pause container in one.

    base image (base_image.py) -> dependencies (compose/Dockerfile.base) -> source (compose/Dockerfile)

The source is copied in and the tag is the hash of all that went in: a container runs exactly the code its
name says, whatever is edited meanwhile. A changed source costs one small layer.

    python -m mesh.platform.docker.image        build it if need be, print its name
"""

from __future__ import annotations

import fcntl
import hashlib
import io
import platform
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, ContainerError

from mesh.model.version import VERSION
from mesh.platform.docker.base_image import ImageError, Say, base_image, is_there
from mesh.platform.docker.engine import EngineError, connect
from mesh.platform.docker.wheelhouse import (
    Target,
    WheelhouseError,
    cache_dir,
    installed_versions,
    requirements,
    wheelhouse,
)

ROOT = Path(__file__).parents[3]  # of the checkout
REPOSITORY = "mesh-labs"
DEPENDENCIES = "mesh-labs-base"
SOURCE_PACKAGES = ("mesh", "labs", "loadtests")
SOURCE_SUFFIXES = {".py", ".yaml", ".md", ".html", ".typed"}
IMAGES_KEPT = 5  # of a repository; older ones that no container uses are removed
BUILD_STAGE = "mesh-labs.stage=build"  # of Dockerfile.base: half a gigabyte of no further use
OLDEST_PYTHON = (3, 11)
METADATA = f"Metadata-Version: 2.1\nName: mesh-labs\nVersion: {VERSION}\n"  # for importlib.metadata
MESHCTL = '#!/bin/sh\nexec python -m mesh.ctl.main "$@"\n'
PROBE = (
    "import sys, platform; print(*sys.version_info[:2], platform.machine(), platform.libc_ver()[1] or '-')"
)

Files = Mapping[str, bytes | Path]


def ensure_image(client: docker.DockerClient, say: Say) -> str:
    """The image's name, built if it is not there. Raises ImageError. One build at a time on this machine."""
    if not (ROOT / "compose" / "Dockerfile").is_file():
        raise ImageError(f"no Dockerfile below {ROOT}: run from a checkout of mesh-labs")
    with _one_at_a_time():
        try:
            dependencies = _dependencies(client, say)
            return _source(client, dependencies, say)
        except APIError as error:
            raise ImageError(f"the engine refused: {error.explanation}") from error


def _source(client: docker.DockerClient, dependencies: str, say: Say) -> str:
    files = source_files(ROOT)
    name = f"{REPOSITORY}:{content_hash(files, dependencies)}"
    if not is_there(client, name):
        say(f"building {name}")
        _build(client, name, files, {"DEPENDENCIES": dependencies}, say)
        _forget_old(client, REPOSITORY)
        _forget_old(client, DEPENDENCIES)
    client.api.tag(name, REPOSITORY, "latest")  # what compose files name when nobody says more
    return name


def _dependencies(client: docker.DockerClient, say: Say) -> str:
    base = base_image(client, say)
    dockerfile = ROOT / "compose" / "Dockerfile.base"
    wanted = requirements((ROOT / "pyproject.toml").read_text())
    versions = installed_versions(wanted)
    files: dict[str, bytes | Path] = {
        "Dockerfile": dockerfile,
        "requirements.txt": "\n".join(wanted).encode(),
    }
    identity = (str(client.images.get(base).id), *versions)
    name = f"{DEPENDENCIES}:{content_hash(files, *identity)}"
    if is_there(client, name):
        return name
    target = probe(client, base)
    files["wheelhouse/README"] = b"wheels for the build\n"  # an empty directory cannot be copied
    if target.glibc:
        say(f"fetching wheels for Python {target.python} on {target.machine}")
        try:
            place = wheelhouse(wanted, versions, target)
            files |= {f"wheelhouse/{wheel.name}": wheel for wheel in place.iterdir()}
        except WheelhouseError as error:
            say(f"no wheels from here, the build fetches its own: {error}")
    say(f"building {name} (dependencies, once)")
    _build(client, name, files, {"BASE_IMAGE": base}, say)
    client.images.prune(filters={"dangling": True, "label": BUILD_STAGE})
    return name


def probe(client: docker.DockerClient, base: str) -> Target:
    """What wheels the base image takes; ``glibc`` 0 where it has another C library. Raises ImageError."""
    try:
        output = client.containers.run(base, ["python3", "-c", PROBE], remove=True, network_mode="none")
    except (ContainerError, APIError) as error:
        raise ImageError(f"{base}: expected an image with python3, got {error}") from error
    major, minor, machine, libc = output.decode().split()
    if (int(major), int(minor)) < OLDEST_PYTHON:
        raise ImageError(f"{base}: expected Python 3.11 or newer, got {major}.{minor}")
    glibc = int(libc.split(".")[1]) if libc.startswith("2.") else 0
    return Target(f"{major}.{minor}", machine or platform.machine(), glibc)


def source_files(root: Path) -> dict[str, bytes | Path]:
    """Path in the build context -> content, of all that the image's source layer holds."""
    files: dict[str, bytes | Path] = {
        "Dockerfile": root / "compose" / "Dockerfile",
        "bin/meshctl": MESHCTL.encode(),
        f"mesh_labs-{VERSION}.dist-info/METADATA": METADATA.encode(),
    }
    for package in SOURCE_PACKAGES:
        for path in (root / package).rglob("*"):
            if path.suffix in SOURCE_SUFFIXES and "labs/.runs/" not in path.as_posix() and path.is_file():
                files[path.relative_to(root).as_posix()] = path.read_bytes()  # once: it may be edited now
    return files


def content_hash(files: Files, *also: str) -> str:
    digest = hashlib.sha256("\0".join(also).encode())
    for name in sorted(files):
        content = _content(files[name])
        digest.update(f"\0{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def _content(source: bytes | Path) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()


def build_context(files: Files) -> bytes:
    """A tar with fixed owners and times, so that equal files hit the engine's layer cache."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in sorted(files):
            content = _content(files[name])
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(content), 0o755 if name.startswith("bin/") else 0o644
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _build(client: docker.DockerClient, name: str, files: Files, arguments: dict[str, str], say: Say) -> None:
    """Build and tag. Raises ImageError with the end of the build's output."""
    output: list[str] = []
    context = io.BytesIO(build_context(files))
    events: Iterator[dict[str, Any]] = client.api.build(
        fileobj=context,
        custom_context=True,
        tag=name,
        buildargs=arguments,
        rm=True,
        forcerm=True,
        decode=True,
    )
    for event in events:
        text = str(event.get("stream", "")).strip()
        output += text.splitlines()
        if text.startswith("Step "):
            say("  " + text.partition(" && ")[0].partition(" \\")[0][:100])
        if "error" in event:
            raise ImageError("\n".join([f"building {name}: {event['error']}", *output[-5:]]))


def _forget_old(client: docker.DockerClient, repository: str) -> None:
    """Images of earlier sources, beyond the newest few. One that a container uses refuses, and stays."""
    found = client.images.list(name=repository)
    tagged = [(image.attrs["Created"], tag) for image in found for tag in image.tags]
    old = sorted((made, tag) for made, tag in tagged if not tag.endswith(":latest"))[:-IMAGES_KEPT]
    for _, tag in old:
        try:
            client.images.remove(tag)
        except APIError:
            continue


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "image.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> int:
    try:
        print(ensure_image(connect(), lambda line: print(line, file=sys.stderr, flush=True)))
    except (EngineError, ImageError) as error:
        print(f"meshctl: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
