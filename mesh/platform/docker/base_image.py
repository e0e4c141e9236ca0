"""The base image: one with Python, found or made, in this order.

    BASE_IMAGE is set           that one, whatever it is
    python:3.11-slim is there   that one
    we made one before          that one
    a registry gives it         pull; given up when nothing comes for 10 s
    root on Debian              debootstrap a minimal Debian and import it
    else                        ImageError says what is missing

Pull and debootstrap print what they do: they are the slow part of a first run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import requests
from docker.errors import APIError, ImageNotFound, NotFound

OFFICIAL = "python:3.11-slim"
SUITE = "bookworm"  # Debian 12: Python 3.11, as the official image's
MIRROR = "http://deb.debian.org/debian"
PACKAGES = ("python3", "python3-venv", "ca-certificates", "iptables", "iproute2", "procps")
# left out of the image: nothing that runs reads them
TRIMMED = (
    "var/cache/apt",
    "var/lib/apt/lists",
    "usr/share/doc",
    "usr/share/locale",
    "usr/share/man",
    "var/log",
)
MADE = f"mesh-labs-debian:{SUITE}-" + hashlib.sha256(" ".join((*PACKAGES, *TRIMMED)).encode()).hexdigest()[:8]
PULL_SILENCE_S = 10  # a registry out of reach is given up after this
DEBOOTSTRAP_TIMEOUT_S = 900

Say = Callable[[str], None]


class ImageError(Exception):
    """No image can be had; the text says what is missing and what to do."""


def base_image(client: docker.DockerClient, say: Say) -> str:
    """The name of a usable base image, which is then in the engine. Raises ImageError."""
    given = os.environ.get("BASE_IMAGE")
    if given:
        if not is_there(client, given) and (trouble := pull(client, given, say)):
            raise ImageError(f"BASE_IMAGE {given}: {trouble}")
        return given
    for name in (OFFICIAL, MADE):
        if is_there(client, name):
            return name
    trouble = pull(client, OFFICIAL, say)
    if not trouble:
        return OFFICIAL
    say(f"cannot pull {OFFICIAL}: {trouble}")
    bootstrap(client, say)
    return MADE


def is_there(client: docker.DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def pull(client: docker.DockerClient, name: str, say: Say) -> str:
    """Pull an image; "" when it came, else what went wrong."""
    say(f"pulling {name}")
    impatient = docker.from_env(timeout=PULL_SILENCE_S).api
    try:
        for event in impatient.pull(name, stream=True, decode=True):
            if "error" in event:
                return str(event["error"])
    except (APIError, NotFound) as error:
        return str(error.explanation)
    except requests.RequestException:
        return f"nothing came for {PULL_SILENCE_S} s"
    finally:
        impatient.close()
    return ""


def bootstrap(client: docker.DockerClient, say: Say) -> None:
    """Make ``MADE``. Raises ImageError when this machine cannot."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ImageError(
            f"no base image: no registry gives {OFFICIAL}, and making one needs root on Debian or Ubuntu; "
            "set BASE_IMAGE to a Debian image with Python 3.11 or newer, or use --runtime process"
        )
    if shutil.which("debootstrap") is None:
        say("installing debootstrap")
        _run(["apt-get", "update", "-qq"], "apt-get update")
        _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "debootstrap"], "apt-get install")
    say(f"making a Debian {SUITE} image with debootstrap (about a minute, once)")
    with tempfile.TemporaryDirectory(prefix="mesh-labs-debian-") as temporary:
        root = Path(temporary) / "root"
        include = f"--include={','.join(PACKAGES)}"
        _run(["debootstrap", "--variant=minbase", include, SUITE, str(root), MIRROR], "debootstrap")
        say("importing it")
        _import(client, root)


def _import(client: docker.DockerClient, root: Path) -> None:
    """tar the tree into the engine; a pipe, so that no archive lies on the disk."""
    excluded = [f"--exclude=./{path}/*" for path in TRIMMED]
    argv = ["tar", "--create", "--numeric-owner", *excluded, "--directory", str(root), "."]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as tar:
        assert tar.stdout is not None
        name, _, tag = MADE.partition(":")
        client.api.import_image_from_stream(_chunks(tar.stdout.read), repository=name, tag=tag)
    if tar.returncode != 0 or not is_there(client, MADE):
        raise ImageError(f"the engine did not take the new Debian (tar ended with status {tar.returncode})")


def _chunks(read: Callable[[int], bytes]) -> Iterator[bytes]:
    while chunk := read(1 << 20):
        yield chunk


def _run(argv: list[str], what: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(
        argv, env=environment, capture_output=True, text=True, timeout=DEBOOTSTRAP_TIMEOUT_S, check=False
    )
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-3:])
        raise ImageError(f"{what} failed: {tail}")
