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
import json
import os
import signal
import tempfile
from collections.abc import Sequence
from pathlib import Path

from labs.harness.tapping import PLAN, READY, TapPlan, Target
from labs.harness.wire import Flow
from mesh.model.node import Node, ServicePort
from mesh.model.resources import Resources
from mesh.proxy.agent.control_plane import open_channel
from mesh.proxy.bootstrap import Bootstrap
from mesh.xds.client import AdsClient

KEPT_BYTES = 8 * 1024  # of each direction of a connection


class Relay:
    """Listens for one target; keeps what passes."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._connections: dict[asyncio.Task[None], tuple[str, Direction, Direction]] = {}

    async def start(self, address: str) -> asyncio.Server:
        return await asyncio.start_server(self._accept, address, self.target.listen)

    async def end(self) -> None:
        """Break what is still open; what it carried stays in ``flows``."""
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @property
    def flows(self) -> list[Flow]:
        return [
            Flow(self.target.pod, peer, bytes(sent.kept), bytes(answered.kept), sent.total + answered.total)
            for peer, sent, answered in self._connections.values()
        ]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        host, port = writer.get_extra_info("peername")[:2]
        sent, answered = Direction(), Direction()
        self._connections[task] = (f"{host}:{port}", sent, answered)
        writers = [writer]
        try:
            target_reader, target_writer = await asyncio.open_connection(self.target.host, self.target.port)
            writers.append(target_writer)
            await asyncio.gather(sent.pump(reader, target_writer), answered.pump(target_reader, writer))
        except OSError:
            pass  # one side is gone, and `finally` ends the other
        finally:
            for each in writers:
                each.close()


class Direction:
    """One way of a connection."""

    def __init__(self) -> None:
        self.kept = bytearray()
        self.total = 0

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes on until the sender ends; then say so, and leave the other direction open."""
        while data := await reader.read(65536):
            self.kept += data[: KEPT_BYTES - len(self.kept)]
            self.total += len(data)
            writer.write(data)
            await writer.drain()
        writer.write_eof()


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


def client_of(target: Target, address: str, plan: TapPlan, folder: Path) -> AdsClient:
    """The target's registration; the configuration that comes back is taken and not used."""
    token_file, root_cert = folder / f"{target.pod}.token", folder / "root-cert.pem"
    token_file.write_text(target.token)
    root_cert.write_text(plan.root_pem)
    bootstrap = Bootstrap(plan.control_plane, root_cert, token_file, folder)
    return AdsClient(node_of(target, address), lambda: open_channel(bootstrap), _take)


def _take(resources: Resources) -> None:
    """Nothing to serve by it: we only relay."""


async def tap(plan: TapPlan, address: str, folder: Path) -> Sequence[Relay]:
    """Listen, register, relay until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    relays = [Relay(target) for target in plan.targets]
    servers = [await relay.start(address) for relay in relays]
    clients = [client_of(target, address, plan, folder) for target in plan.targets]
    for client in clients:
        client.start()
    await asyncio.gather(*(client.configured.wait() for client in clients))
    print(READY, flush=True)
    await stopped.wait()
    await asyncio.gather(*(client.leave() for client in clients))
    for server in servers:
        server.close()
    for relay in relays:
        await relay.end()
    return relays


def main() -> None:
    plan = TapPlan.from_json(os.environ[PLAN])
    with tempfile.TemporaryDirectory(prefix="mesh-tap-") as folder:
        relays = asyncio.run(tap(plan, os.environ["ADDRESS"], Path(folder)))
    for relay in relays:
        for flow in relay.flows:
            line = {"pod": flow.pod, "peer": flow.peer, "sent": flow.sent.hex()}
            print(json.dumps(line | {"answered": flow.answered.hex(), "total": flow.total}))


if __name__ == "__main__":
    main()
