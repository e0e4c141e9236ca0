"""Blocks of the size that a read has are not asked of the kernel again and again."""

from __future__ import annotations

import subprocess
import sys

PAGES_OF_ONE = 64
PROGRAM = """\
import resource
from mesh.proxy.heap import keep_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

keep_freed_memory()
before = faults()
for _ in range(1000):
    block = b"x" * (256 * 1024)
    del block
print(faults() - before)
"""


def test_a_thousand_reads_take_the_pages_of_a_few() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert int(done.stdout) < 16 * PAGES_OF_ONE
