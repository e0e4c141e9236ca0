"""A short soak, with faults that are always the same; ``make soak`` has minutes and other ones."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.lab


@pytest.mark.parametrize("dataplane", ["python", "envoy"])
def test_every_request_is_accounted_for_under_faults(dataplane: str) -> None:
    command = [sys.executable, "-m", "loadtests.soak", "--seconds", "10", "--seed", "7"]
    run = subprocess.run([*command, "--dataplane", dataplane], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.count("pass ") == 6
