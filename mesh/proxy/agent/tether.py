"""Become another program that dies with the one that started it: ``tether.py <parent's pid> program ...``.

The kernel kills it when its parent is gone (PR_SET_PDEATHSIG survives an exec), so an agent that is killed
leaves no Envoy behind. A program of its own, because setting this between fork and exec would run Python
in a forked child of a process with gRPC's threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # prctl(2)


def main() -> None:
    parent, program = int(sys.argv[1]), sys.argv[2]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it died before we could ask
        sys.exit(1)
    os.execv(program, sys.argv[2:])


if __name__ == "__main__":
    main()
