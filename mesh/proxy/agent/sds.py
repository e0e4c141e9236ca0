"""SDS for the Envoy beside us: its certificate and key, and the roots, pushed again at each rotation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.secret.v3 import sds_pb2_grpc

from mesh.proxy.agent.sds_stream import Answer, SdsStream
from mesh.proxy.agent.secrets import SecretManager
from mesh.xds.codec.codec import TYPE_URLS
from mesh.xds.codec.secret import encode_secrets
from mesh.xds.codec.wire import pack

log = logging.getLogger(__name__)


class SdsServicer(sds_pb2_grpc.SecretDiscoveryServiceServicer):  # type: ignore[misc]
    """Whoever can open the socket gets the key: the socket's mode is the access control."""

    def __init__(self, manager: SecretManager) -> None:
        self._manager = manager

    async def StreamSecrets(self, requests: AsyncIterator[Any], _context: Any) -> AsyncIterator[Any]:
        """Answers wait until there is a certificate, however long that takes."""
        stream = SdsStream()
        wake = asyncio.Event()
        unsubscribe = self._manager.subscribe(lambda _secrets: wake.set())
        reading = asyncio.create_task(_read(requests, stream, wake), name="sds requests")
        try:
            while True:
                await wake.wait()
                wake.clear()
                if reading.done():
                    return
                if self._manager.has_secrets and (answer := stream.answer(self._manager.current)):
                    yield self._message(answer)
        finally:
            unsubscribe()
            reading.cancel()

    def _message(self, answer: Answer) -> Any:
        encoded = encode_secrets(self._manager.current)
        return discovery_pb2.DiscoveryResponse(
            version_info=answer.version,
            nonce=answer.nonce,
            type_url=TYPE_URLS["SDS"],
            resources=[pack(encoded[name]) for name in answer.names],
        )


async def _read(requests: AsyncIterator[Any], stream: SdsStream, wake: asyncio.Event) -> None:
    """Take requests until the stream ends; each may mean that an answer is owed."""
    try:
        async for request in requests:
            error = request.error_detail.message if request.HasField("error_detail") else ""
            stream.receive(tuple(request.resource_names), request.response_nonce, error)
            if error:
                log.error("envoy rejected %s: %s", ", ".join(request.resource_names), error)
            wake.set()
    finally:
        wake.set()
