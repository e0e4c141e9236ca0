"""The sidecar with the real Envoy as its engine: the agent's life, from start to drained end.

                  ┌────────── agent ─────────┐
control plane ◀═══╡ forwarder ◀── xds.sock ◀─┼── Envoy: ADS
   (15012)    ◀═══╡ secrets ────▶ sds.sock ◀─┼── Envoy: certificate and key
              ◀═══╡ logs ◀─────── sds.sock ◀─┼── Envoy: access logs
                  │   └▶ Istio's metrics     │
                  └── 15020, 15021 ──────────┘
"""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import version

import grpc
from envoy.service.accesslog.v3 import als_pb2_grpc
from envoy.service.secret.v3 import sds_pb2_grpc

from mesh.model.node import Node
from mesh.proxy.agent import control_plane
from mesh.proxy.agent.als import AccessLogServicer
from mesh.proxy.agent.drain import drain
from mesh.proxy.agent.envoy_admin import EnvoyAdmin
from mesh.proxy.agent.envoy_binary import find_envoy
from mesh.proxy.agent.envoy_bootstrap import SDS_SOCKET, XDS_SOCKET
from mesh.proxy.agent.envoy_process import EnvoyProcess
from mesh.proxy.agent.forwarder import Forwarder
from mesh.proxy.agent.sds import SdsServicer
from mesh.proxy.agent.secrets import SecretManager
from mesh.proxy.agent.status_server import StatusServer
from mesh.proxy.agent.unix_server import UnixServer, private_directory
from mesh.proxy.als import AccessLogService
from mesh.proxy.bootstrap import Bootstrap
from mesh.proxy.istio_stats import IstioStats
from mesh.proxy.metrics_server import open_address
from mesh.proxy.stats import Stats
from mesh.xds.codec.access_log_batch import BatchEncoder
from mesh.xds.codec.connection_log import ConnectionBatchEncoder

log = logging.getLogger(__name__)

DIRECTORY = "agent"  # in the run directory: Envoy's bootstrap and the sockets
DISTRIBUTION = "mesh-labs"


async def run(node: Node, bootstrap: Bootstrap) -> None:
    """Run until SIGTERM or SIGINT, then drain.

    Raises NoEnvoyError, EnvoyDiedError, or OSError when a port or the run directory cannot be had.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
            stack.callback(loop.remove_signal_handler, number)
        await _run(node, bootstrap, stop, stack)


async def _run(node: Node, bootstrap: Bootstrap, stop: asyncio.Event, stack: AsyncExitStack) -> None:
    binary = find_envoy()
    directory = private_directory(bootstrap.run_dir / DIRECTORY)
    stats, sender_stats = IstioStats(node), Stats()
    admin = EnvoyAdmin(node.admin_address)

    manager = SecretManager(node, bootstrap)
    # not awaited: Envoy starts meanwhile, and a stop must not wait for the control plane
    starting = asyncio.create_task(manager.start(), name="first certificate")
    stack.push_async_callback(manager.stop)
    stack.callback(starting.cancel)

    forwarder = Forwarder(partial(control_plane.open_channel, bootstrap))
    await _serve(stack, UnixServer(directory, XDS_SOCKET, forwarder.add_to_server))
    open_channel = partial(control_plane.open_channel, bootstrap)
    requests = AccessLogService(node, open_channel, sender_stats, BatchEncoder())
    connections = AccessLogService(node, open_channel, sender_stats, ConnectionBatchEncoder())
    for mixer in (requests, connections):
        await mixer.start()
        stack.push_async_callback(mixer.stop)
    logs = AccessLogServicer(stats, requests.add, connections.add)
    await _serve(stack, UnixServer(directory, SDS_SOCKET, partial(_add_local, SdsServicer(manager), logs)))

    status = StatusServer(admin, stats, sender_stats, version(DISTRIBUTION), stop.set)
    await status.start(open_address(node))
    stack.push_async_callback(status.stop)

    envoy = EnvoyProcess.start(binary, node, bootstrap, directory)
    stack.push_async_callback(envoy.end)
    log.info("envoy (pid %d) runs beside %s", envoy.pid, node.id)
    await _until_stopped(stop, envoy)
    status.draining = True
    await drain(admin, forwarder.leave, bootstrap.drain_duration_s)


async def _serve(stack: AsyncExitStack, server: UnixServer) -> None:
    await server.start()
    stack.push_async_callback(server.stop)


def _add_local(secrets: SdsServicer, logs: AccessLogServicer, server: grpc.aio.Server) -> None:
    sds_pb2_grpc.add_SecretDiscoveryServiceServicer_to_server(secrets, server)
    als_pb2_grpc.add_AccessLogServiceServicer_to_server(logs, server)


async def _until_stopped(stop: asyncio.Event, envoy: EnvoyProcess) -> None:
    """Raises EnvoyDiedError when Envoy ends first."""
    stopped = asyncio.create_task(stop.wait())
    died = asyncio.create_task(envoy.died())
    try:
        await asyncio.wait({stopped, died}, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            raise died.result()
    finally:
        stopped.cancel()
        died.cancel()
