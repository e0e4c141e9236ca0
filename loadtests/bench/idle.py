"""What a connection costs that does nothing: many are opened, each carries one request, then lies still.

    python -m loadtests.bench.idle ADDRESS PORT AUTHORITY CONNECTIONS

prints "open" when all of them are, and closes them at the end of its standard input.
"""

from __future__ import annotations

import asyncio
import resource
import sys

import uvloop

from labs.harness.runtime import RuntimeFailure
from loadtests.bench.clients import Client, Http1Client, http1_request
from loadtests.bench.settings import PLAINTEXT
from loadtests.bench.sidecars import Sidecars

AT_ONCE = 50
SPARE_DESCRIPTORS = 1000
SETTLE_S = 1.0  # for the kernel and the allocators to be done


def raise_descriptor_limit(connections: int) -> None:
    """Of this process and those it starts. Raises RuntimeFailure when that is not allowed."""
    wanted = connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError) as error:
        raise RuntimeFailure(f"{wanted} file descriptors are needed, {hard} allowed: {error}") from error


async def bytes_each(sidecars: Sidecars, connections: int) -> float:
    """Resident bytes of the client sidecar that each of so many idle connections of clients adds."""
    before = sidecars.client_resident_bytes()
    address, port = sidecars.entrance(PLAINTEXT)
    words = [address, str(port), PLAINTEXT.authority, str(connections)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loadtests.bench.idle", *words, stdin=pipe, stdout=pipe
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if await process.stdout.readline() != b"open\n":
            raise RuntimeFailure(f"{sidecars.engine}: {connections} connections could not be opened")
        await asyncio.sleep(SETTLE_S)
        return (sidecars.client_resident_bytes() - before) / connections
    finally:
        process.stdin.close()
        await process.wait()


async def _open(address: str, port: int, request: bytes) -> Client:
    """A connection whose one request has been answered. Raises RuntimeFailure when it was not with 200."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[None] = loop.create_future()
    client = _OneRequest(lambda _: answered.set_result(None), [request], 0, 0.0)
    await loop.create_connection(lambda: client, address, port)
    await asyncio.wait((answered, client.closed), return_when=asyncio.FIRST_COMPLETED)
    if client.errors or not answered.done():
        raise RuntimeFailure("a connection was refused or its request failed")
    return client


class _OneRequest(Http1Client):
    def _answered(self) -> None:
        self.answered(0.0)


async def _hold(address: str, port: int, authority: str, connections: int) -> None:
    request = http1_request(authority)
    held: list[Client] = []
    while len(held) < connections:
        some = min(AT_ONCE, connections - len(held))
        held += await asyncio.gather(*(_open(address, port, request) for _ in range(some)))
    print("open", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    where, at, host, count = sys.argv[1:]
    uvloop.run(_hold(where, int(at), host, int(count)))
