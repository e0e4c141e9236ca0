"""The real Envoy on the encoded resources: static, with its log and its secrets over gRPC from here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import grpc
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from envoy.service.accesslog.v3 import als_pb2_grpc
from envoy.service.secret.v3 import sds_pb2_grpc
from google.protobuf import struct_pb2

from differ.engine import Entries
from differ.origin import HOST, Origin
from mesh.model.names import AGENT_CLUSTER, CONTROL_PLANE_CLUSTER
from mesh.model.node import Node
from mesh.model.request_report import join
from mesh.model.resources import Resources
from mesh.model.tls import Secrets
from mesh.proxy.agent.als import AccessLogServicer
from mesh.proxy.agent.envoy_binary import find_envoy
from mesh.proxy.agent.sds import SdsServicer
from mesh.proxy.agent.secrets import SecretManager
from mesh.proxy.istio_stats import IstioStats
from mesh.xds.codec.codec import encode
from mesh.xds.codec.wire import pack, socket_address, unpack

_Manager = http_connection_manager_pb2.HttpConnectionManager
_Options = http_protocol_options_pb2.HttpProtocolOptions
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
START_S = 20.0


class _Held:
    """What the agent's SDS asks of a SecretManager, when nothing rotates."""

    has_secrets = True

    def __init__(self, secrets: Secrets) -> None:
        self.current = secrets

    def subscribe(self, _callback: Callable[[Secrets], None]) -> Callable[[], None]:
        return lambda: None


class Envoy:
    name = "envoy"

    def __init__(self, origin: Origin, port: int) -> None:
        self.port = port
        self.origin = origin
        self.entries = Entries()


@asynccontextmanager
async def start_envoy(
    node: Node,
    resources: Resources,
    origin: Origin,
    port: int,
    directory: Path,
    secrets: Secrets | None = None,
    lingers_s: float = 1.0,
) -> AsyncIterator[Envoy]:
    """``lingers_s``: how long it keeps a connection that it has done with."""
    envoy = Envoy(origin, port)
    server = grpc.aio.server()
    als_pb2_grpc.add_AccessLogServiceServicer_to_server(
        AccessLogServicer(
            IstioStats(node), lambda report: envoy.entries.append(join(report)), envoy.entries.append
        ),
        server,
    )
    if secrets is not None:
        held = SdsServicer(cast("SecretManager", _Held(secrets)))
        sds_pb2_grpc.add_SecretDiscoveryServiceServicer_to_server(held, server)
    agent_port = server.add_insecure_port(f"{HOST}:0")
    await server.start()
    config, log = directory / "envoy.pb", directory / "envoy.log"
    config.write_bytes(_bootstrap(node, resources, agent_port, lingers_s).SerializeToString())
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(str(find_envoy()), "--config-path", str(config), "--log-level", "warning"),
            *("--disable-hot-restart", "--concurrency", "1", "--local-address-ip-version", "v4"),
            stdout=output,
            stderr=output,
        )
    try:
        await _until_listening(process, port, log)
        yield envoy
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await server.stop(None)


async def _until_listening(process: asyncio.subprocess.Process, port: int, log: Path) -> None:
    async with asyncio.timeout(START_S):
        while True:
            assert process.returncode is None, await asyncio.to_thread(log.read_text)
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


def _bootstrap(node: Node, resources: Resources, agent_port: int, lingers_s: float) -> Any:
    message = bootstrap_pb2.Bootstrap(node={"id": node.id, "cluster": "differ"})
    static = message.static_resources
    static.listeners.extend(unpack(encode(found), listener_pb2.Listener) for found in resources.listeners)
    static.clusters.extend(unpack(encode(found), cluster_pb2.Cluster) for found in resources.clusters)
    _adapt(static, lingers_s)
    static.clusters.extend(_agent(name, agent_port) for name in (CONTROL_PLANE_CLUSTER, AGENT_CLUSTER))
    # Istio's: a regular expression of any size
    layer = message.layered_runtime.layers.add(name="istio")
    layer.static_layer.fields["re2.max_program_size.error_level"].CopyFrom(
        struct_pb2.Value(number_value=32768)
    )
    return message


def _adapt(static: Any, lingers_s: float) -> None:
    """What there is no model for.

    A malformed message of HTTP/2 costs its stream (RFC 9113 section 8.1.1): that is what we do, and Envoy
    when it is told to. Else it closes the connection.
    """
    for listener in static.listeners:
        for found in (filter for chain in listener.filter_chains for filter in chain.filters):
            if found.typed_config.Is(_Manager.DESCRIPTOR):
                manager = unpack(found.typed_config, _Manager)
                http2 = manager.http2_protocol_options
                http2.override_stream_error_on_invalid_http_message.value = True
                manager.delayed_close_timeout.FromTimedelta(timedelta(seconds=lingers_s))
                found.typed_config.CopyFrom(pack(manager))
    for cluster in static.clusters:
        if _OPTIONS in cluster.typed_extension_protocol_options:
            options = unpack(cluster.typed_extension_protocol_options[_OPTIONS], _Options)
            kind = options.WhichOneof("upstream_protocol_options")
            if kind is not None and getattr(options, kind).HasField("http2_protocol_options"):
                http2 = getattr(options, kind).http2_protocol_options
                http2.override_stream_error_on_invalid_http_message.value = True
                cluster.typed_extension_protocol_options[_OPTIONS].CopyFrom(pack(options))


def _agent(name: str, port: int) -> Any:
    made = cluster_pb2.Cluster(name=name, type="STATIC")
    made.load_assignment.cluster_name = name
    endpoint = made.load_assignment.endpoints.add().lb_endpoints.add().endpoint
    endpoint.address.CopyFrom(socket_address(HOST, port))
    http2 = _Options()
    http2.explicit_http_config.http2_protocol_options.SetInParent()
    made.typed_extension_protocol_options[_OPTIONS].CopyFrom(pack(http2))
    return made
