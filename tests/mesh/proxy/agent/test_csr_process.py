from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import psutil
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mesh.model.identity import SpiffeId
from mesh.proxy.agent.csr_process import make_request

REVIEWS = SpiffeId("default", "bookinfo-reviews")


async def test_the_key_belongs_to_the_request() -> None:
    made = await make_request(REVIEWS)
    csr = x509.load_pem_x509_csr(made.csr.encode())
    assert csr.public_key() == load_pem_private_key(made.key_pem, None).public_key()


async def test_the_key_is_shown_to_nobody() -> None:
    made = await make_request(REVIEWS)
    assert "PRIVATE KEY" not in repr(made)
    assert "PRIVATE KEY" not in made.csr


async def test_nothing_of_the_process_is_left() -> None:
    before = psutil.Process().children()
    await make_request(REVIEWS)
    assert set(psutil.Process().children()) <= set(before)


async def test_no_library_hears_of_a_fork() -> None:
    """gRPC's channels, collected in the copy of a process, wait there for a thread that was not copied."""
    forks: list[None] = []
    os.register_at_fork(before=lambda: forks.append(None))
    await make_request(REVIEWS)
    assert forks == []


async def test_a_process_that_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no entropy >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with pytest.raises(OSError, match="no key could be made: no entropy"):
        await make_request(REVIEWS)


async def test_giving_up_ends_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow, started = tmp_path / "python", tmp_path / "started"
    slow.write_text(f"#!/bin/sh\necho $$ > {started}.new\nmv {started}.new {started}\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    making = asyncio.create_task(make_request(REVIEWS))
    async with asyncio.timeout(10):
        while not started.exists():  # noqa: ASYNC110 - the other side is another process
            await asyncio.sleep(0.01)
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making
        while psutil.pid_exists(int(started.read_text())):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
