from __future__ import annotations

import sys
from pathlib import Path

# the fuzzer, for the tests beside it, and the strict reader of HTTP/1 that it borrows
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent.parent / "conformance")]
