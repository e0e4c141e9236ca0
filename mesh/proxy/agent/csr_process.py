"""Runs ``csr`` in a process that ends at once: what it needs of memory is gone with it."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE
from dataclasses import dataclass, field

from mesh.model.identity import SpiffeId

_REQUEST = b"-----BEGIN CERTIFICATE REQUEST-----"


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """A CSR in PEM, and the key it is for, which ``repr`` never shows."""

    csr: str
    key_pem: bytes = field(repr=False)


async def make_request(identity: SpiffeId) -> SigningRequest:
    """With a new key. Raises OSError when the process cannot be started or fails."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mesh.proxy.agent.csr", str(identity)),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        made, complaint = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    key_pem, begin, csr = made.partition(_REQUEST)
    if process.returncode or not csr:
        said = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise OSError(f"no key could be made: {said or f'exit status {process.returncode}'}")
    return SigningRequest((begin + csr).decode(), key_pem)
