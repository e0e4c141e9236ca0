"""Runs ``csr`` in a process that ends at once: what it needs of memory is gone with it."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from subprocess import DEVNULL, PIPE, Popen

from mesh.model.identity import SpiffeId

_REQUEST = b"-----BEGIN CERTIFICATE REQUEST-----"


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """A CSR in PEM, and the key it is for, which ``repr`` never shows."""

    csr: str
    key_pem: bytes = field(repr=False)


async def make_request(identity: SpiffeId) -> SigningRequest:
    """With a new key. Raises OSError when the process cannot be started or fails.

    Popen and a thread that waits, not asyncio's subprocesses: uvloop forks for those, and what libraries have
    hung on forks then runs in a copy of this process. Popen uses vfork, which runs nothing.
    """
    process = _start(identity)
    try:
        made, complaint = await asyncio.to_thread(process.communicate)
    except asyncio.CancelledError:
        process.kill()  # the thread, which reads to the end, collects it
        raise
    key_pem, begin, csr = made.partition(_REQUEST)
    if process.returncode or not csr:
        said = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise OSError(f"no key could be made: {said or f'exit status {process.returncode}'}")
    return SigningRequest((begin + csr).decode(), key_pem)


def _start(identity: SpiffeId) -> Popen[bytes]:
    """Blocks for the vfork, some milliseconds. Raises OSError."""
    command = (sys.executable, "-m", "mesh.proxy.agent.csr", str(identity))
    return Popen(command, stdin=DEVNULL, stdout=PIPE, stderr=PIPE)
