from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress

from mesh.proxy.agent import tether

# starts a tethered shell, says its pid, and waits to be killed; the shell says when it runs
PARENT = f"""
import os, subprocess, sys
program = ["/bin/sh", "-c", "echo running; exec sleep 60"]
child = subprocess.Popen([sys.executable, "-I", "-S", {tether.__file__!r}, str(os.getpid()), *program])
print(child.pid, flush=True)
child.wait()
"""


def test_dies_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            assert parent.stdout.readline() == b"running\n"
            parent.kill()
            assert parent.stdout.read() == b"", "the end of the pipe: nobody holds it any more"
        finally:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def test_does_not_start_for_a_parent_that_is_gone() -> None:
    assert subprocess.run([sys.executable, tether.__file__, "1", "/bin/true"]).returncode == 1
