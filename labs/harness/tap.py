"""A man in the middle: relays the connections to some pods, and keeps the first bytes of each.

It is no part of the mesh's code, and needs no privilege: it registers with pilot as one more endpoint of the
pod's service (a token for that account is what the platform hands out anyway), and passes every byte on to
the real sidecar. What it sees is what anybody on the path sees.

    caller's sidecar ---> tap:19081 ---> reviews-v1's sidecar:9080
                           |
                           first bytes of both directions, as JSON lines on standard output, at the end

Run as ``python -m labs.harness.tap`` by ``tapping.py``, beside the mesh, until SIGTERM.
"""

from __future__ import annotations

import asyncio

from labs.harness.tapping import Target
from labs.harness.wire import Flow
from mesh.model.node import Node, ServicePort

KEPT_BYTES = 16 * 1024  # of each direction of a connection


class Relay:
    """Listens for one target; keeps what passes."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.flows: list[Flow] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, address: str) -> asyncio.Server:
        return await asyncio.start_server(self._accept, address, self.target.listen)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = "{}:{}".format(*writer.get_extra_info("peername")[:2])
        sent, answered = Direction(), Direction()
        try:
            target_reader, target_writer = await asyncio.open_connection(self.target.host, self.target.port)
            await asyncio.gather(sent.pump(reader, target_writer), answered.pump(target_reader, writer))
        except (OSError, asyncio.CancelledError):
            writer.close()
        finally:
            total = sent.total + answered.total
            self.flows.append(Flow(self.target.pod, peer, bytes(sent.kept), bytes(answered.kept), total))


class Direction:
    """One way of a connection."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.total = 0

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on until the sender ends, then end the other side's."""
        while data := await reader.read(65536):
            self.kept += data[: KEPT_BYTES - len(self.kept)]
            self.total += len(data)
            writer.write(data)
            await writer.drain()
        writer.close()


def node_of(target: Target, address: str) -> Node:
    """The endpoint we pose as: the target's service, account and labels, our address."""
    return Node(
        name=f"tap-{target.pod}",
        namespace=target.namespace,
        address=address,
        service_account=target.service_account,
        workload=target.pod,
        service=target.service,
        ports=(ServicePort("http", target.number, target.listen),),
        labels=target.labels,
    )
