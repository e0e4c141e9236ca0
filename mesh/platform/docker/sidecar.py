"""The entry of a sidecar container: takes over the pod's traffic as root, then goes on as uid 1337.

    python -m mesh.platform.docker.sidecar --control-plane istiod:15012 [interception options] -- COMMAND ...

It needs NET_ADMIN (the rules), SETUID and SETGID (to drop them all). COMMAND is executed in its place, with
``--control-plane`` and this pod's ``--address`` added; from then on the process can gain no privilege again.
With ``--stand-alone`` (a gateway) nothing is taken over, and it need not be root.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial

from mesh.platform.docker.interception import (
    IPTABLES,
    PROXY_GID,
    PROXY_UID,
    RESTORE,
    Interception,
    jumps,
    parse_list,
    restore_text,
)

PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
RESOLVE_TIMEOUT_S = 30.0  # compose may start a sidecar before the control plane's name is known
RESOLVE_EVERY_S = 0.2


class EntryError(Exception):
    """The pod cannot be taken over; the text says why."""


def enter_pod(options: Interception) -> None:
    """Set the rules, once or again, and drop to the sidecar's user. Raises EntryError."""
    intercept(options)
    _open_streams()
    drop_privileges()


def intercept(options: Interception) -> None:
    """Apply the rules to this network namespace. Raises EntryError with iptables' own words."""
    _run(RESTORE, restore_text(options))
    for chain, *rule in jumps():
        there = subprocess.run([*IPTABLES, "-C", chain, *rule], capture_output=True, check=False)
        if there.returncode != 0:
            _run((*IPTABLES, "-A", chain, *rule))


def drop_privileges() -> None:
    """Become 1337:1337 with no other group, and never more than that: setuid programs change nothing now."""
    os.setgroups([])
    os.setresgid(PROXY_GID, PROXY_GID, PROXY_GID)
    os.setresuid(PROXY_UID, PROXY_UID, PROXY_UID)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise EntryError(f"prctl(PR_SET_NO_NEW_PRIVS): {os.strerror(ctypes.get_errno())}")


def _open_streams() -> None:
    """Let the sidecar's user open /dev/stdout and /dev/stderr: the pipes are the engine's, that is root's."""
    for descriptor in (1, 2):
        try:
            os.fchmod(descriptor, 0o622)
        except OSError as error:
            print(f"sidecar: descriptor {descriptor}: {error}; /dev/stdout may not open", file=sys.stderr)


def own_address(control_plane: str, deadline_s: float = RESOLVE_TIMEOUT_S) -> str:
    """The pod's address on the network that leads to the control plane. Raises EntryError."""
    host, _, port = control_plane.rpartition(":")
    end = time.monotonic() + deadline_s
    while True:
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.connect((host, int(port)))  # sends nothing: only chooses the route
                return str(probe.getsockname()[0])
        except OSError as error:
            if time.monotonic() >= end:
                raise EntryError(f"no route to the control plane {control_plane}: {error}") from error
        time.sleep(RESOLVE_EVERY_S)


def _run(argv: Sequence[str], text: str = "") -> None:
    done = subprocess.run(argv, input=text, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise EntryError(f"{argv[0]} ended with status {done.returncode}: {done.stderr.strip()}")


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="sidecar", description=(__doc__ or "").partition("\n")[0])
    made.add_argument("--control-plane", required=True, metavar="HOST:PORT")
    made.add_argument("--stand-alone", action="store_true", help="a gateway: take over nothing")
    standard = Interception()
    for field in Interception.__slots__:
        made.add_argument(
            f"--{field.replace('_', '-')}",
            type=partial(parse_list, field),
            default=getattr(standard, field),
            metavar="LIST",
        )
    made.add_argument("command", nargs="+")
    return made


def main(words: Sequence[str]) -> int:
    """Does not return when all goes well. Exit status 1: the pod cannot be taken over."""
    flags = vars(parser().parse_args(words))
    control_plane, command = flags.pop("control_plane"), flags.pop("command")
    stand_alone = flags.pop("stand_alone")
    try:
        address = own_address(control_plane)
        if not stand_alone:
            enter_pod(Interception(**flags))
    except (EntryError, OSError) as error:
        print(f"sidecar: {error}", file=sys.stderr)
        return 1
    argv = [*command, "--control-plane", control_plane, "--address", address]
    os.execvp(argv[0], argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
