"""This project's version, for the processes that must not pay for reading package metadata (a test
compares).
"""

from __future__ import annotations

VERSION = "0.1.0"
