from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from envoy.extensions.transport_sockets.tls.v3 import secret_pb2
from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.secret.v3 import sds_pb2_grpc

from mesh.model.node import Node
from mesh.model.tls import Secrets, TlsCertificate
from mesh.proxy.agent.sds import SdsServicer
from mesh.proxy.agent.secrets import SecretManager
from mesh.proxy.agent.unix_server import UnixServer
from mesh.proxy.bootstrap import Bootstrap

FIRST = Secrets(TlsCertificate(b"chain 1", b"key 1"), b"roots")
RENEWED = Secrets(TlsCertificate(b"chain 2", b"key 2"), b"roots")
DEADLINE_S = 10.0


@pytest.fixture
async def manager(node: Node, bootstrap: Bootstrap) -> SecretManager:
    """It is never started: the tests hand it its certificates."""
    return SecretManager(node, bootstrap)


@pytest.fixture
async def stub(manager: SecretManager, tmp_path: Path) -> AsyncIterator[Any]:
    def add(server: grpc.aio.Server) -> None:
        sds_pb2_grpc.add_SecretDiscoveryServiceServicer_to_server(SdsServicer(manager), server)

    server = UnixServer(tmp_path, "s", add)
    await server.start()
    async with grpc.aio.insecure_channel(f"unix:{server.path}") as channel:
        yield sds_pb2_grpc.SecretDiscoveryServiceStub(channel)
    await server.stop()


async def next_of(call: Any) -> tuple[Any, list[Any]]:
    response = await asyncio.wait_for(call.read(), DEADLINE_S)
    secrets = [secret_pb2.Secret.FromString(packed.value) for packed in response.resources]
    return response, secrets


async def test_serves_certificate_and_roots(manager: SecretManager, stub: Any) -> None:
    manager._accept(FIRST)
    call = stub.StreamSecrets()
    await call.write(discovery_pb2.DiscoveryRequest(resource_names=["default"]))
    _, (certificate,) = await next_of(call)
    assert certificate.name == "default"
    assert certificate.tls_certificate.certificate_chain.inline_bytes == b"chain 1"
    assert certificate.tls_certificate.private_key.inline_bytes == b"key 1"
    other = stub.StreamSecrets()
    await other.write(discovery_pb2.DiscoveryRequest(resource_names=["ROOTCA"]))
    _, (roots,) = await next_of(other)
    assert roots.name == "ROOTCA"
    assert roots.validation_context.trusted_ca.inline_bytes == b"roots"
    call.cancel()
    other.cancel()


async def test_an_early_request_is_answered_when_the_certificate_comes(
    manager: SecretManager, stub: Any
) -> None:
    call = stub.StreamSecrets()
    await call.write(discovery_pb2.DiscoveryRequest(resource_names=["default"]))
    reading = asyncio.create_task(next_of(call))
    await asyncio.wait({reading}, timeout=0.1)
    assert not reading.done()
    manager._accept(FIRST)
    assert (await reading)[1][0].tls_certificate.private_key.inline_bytes == b"key 1"
    call.cancel()


async def test_pushes_at_rotation(manager: SecretManager, stub: Any) -> None:
    manager._accept(FIRST)
    call = stub.StreamSecrets()
    await call.write(discovery_pb2.DiscoveryRequest(resource_names=["default"]))
    response, _ = await next_of(call)
    ack = discovery_pb2.DiscoveryRequest(
        resource_names=["default"], response_nonce=response.nonce, version_info=response.version_info
    )
    await call.write(ack)
    manager._accept(RENEWED)
    _, (pushed,) = await next_of(call)
    assert pushed.tls_certificate.private_key.inline_bytes == b"key 2"
    call.cancel()


async def test_a_rejection_is_logged(manager: SecretManager, stub: Any, caplog: Any) -> None:
    manager._accept(FIRST)
    call = stub.StreamSecrets()
    await call.write(discovery_pb2.DiscoveryRequest(resource_names=["default"]))
    response, _ = await next_of(call)
    nack = discovery_pb2.DiscoveryRequest(resource_names=["default"], response_nonce=response.nonce)
    nack.error_detail.message = "no key"
    await call.write(nack)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert "envoy rejected default: no key" in caplog.text


async def test_a_stream_that_ended_is_forgotten(manager: SecretManager, stub: Any) -> None:
    manager._accept(FIRST)
    call = stub.StreamSecrets()
    await call.write(discovery_pb2.DiscoveryRequest(resource_names=["default"]))
    await next_of(call)
    assert len(manager._callbacks) == 1
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert manager._callbacks == []
