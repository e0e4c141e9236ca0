"""Our sidecar's ADS client: connect, read, answer, connect again; what to say is ``ClientState``'s to decide.

    client = AdsClient(node, open_channel, apply)
    client.start()
    await client.configured.wait()      ready: there is something to serve
    ...
    await client.leave()                draining: tell the control plane, which takes us out of the mesh

When the control plane is away, what was applied last goes on being served.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any, Final

from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import discovery_pb2

from mesh.grpc.call import Call
from mesh.grpc.channel import Channel
from mesh.grpc.status import RpcError
from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.xds.client_state import Apply, ClientState
from mesh.xds.codec.wire import struct
from mesh.xds.errors import Rejected
from mesh.xds.subscription import Request

_METHOD: Final = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
_BACKOFF_S: Final = (0.1, 1.0)  # shortest and longest; each wait is a random part of it, at least half
_LEAVE_TIMEOUT_S: Final = 1.0  # for the control plane to end the stream we half-closed
_INVALID_ARGUMENT: Final = 3  # google.rpc.Code of a NACK, as Envoy's
_BROKEN: Final = (RpcError, OSError)

_log = logging.getLogger("mesh.xds")


class AdsClient:
    """``open_channel`` makes a channel with its credentials for each stream. ``apply`` gets the whole
    configuration whenever something in it changed, in make-before-break order; it raises Rejected to refuse.
    It runs on the event loop, so it must not block.
    """

    def __init__(self, node: Node, open_channel: Callable[[], Channel], apply: Apply) -> None:
        self.configured = asyncio.Event()  # set once: the first complete configuration is served
        self.is_connected = False
        self._node = node
        self._open_channel = open_channel
        self._apply = apply
        self._state = ClientState(self._apply_or_reject)
        self._call: Call | None = None
        self._leaving = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect, and stay connected until ``leave`` or ``stop``."""
        self._task = asyncio.create_task(self._run(), name="ads client")

    async def leave(self) -> None:
        """End the stream in order; returns when the control plane has agreed, or after 1 s."""
        self._leaving = True
        if self._call is not None and self._task is not None:
            self._call.done_writing()
            await asyncio.wait([self._task], timeout=_LEAVE_TIMEOUT_S)
        await self.stop()

    async def stop(self) -> None:
        """Break the stream off, as a crash would."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.wait([self._task])
        self._task = None

    async def _run(self) -> None:
        longest = _BACKOFF_S[0]
        while not self._leaving:
            try:
                await self._stream()
            except _BROKEN as error:
                _log.info("the control plane's stream broke: %s", error)
            except Exception:
                _log.exception("the control plane's stream failed")  # ours is the fault; try again
            if self._leaving:
                return
            longest = _BACKOFF_S[0] if self.is_connected else min(2 * longest, _BACKOFF_S[1])
            self.is_connected = False
            await asyncio.sleep(random.uniform(longest / 2, longest))

    async def _stream(self) -> None:
        """One stream, until the control plane ends it (return) or it breaks (raise)."""
        async with self._open_channel() as channel:
            self._call = channel.call(_METHOD)
            try:
                await self._converse(self._call)
            finally:
                self._call = None

    async def _converse(self, call: Call) -> None:
        node: Any = base_pb2.Node(
            id=self._node.id, cluster=self._node.workload, metadata=struct(self._node.to_metadata())
        )
        for request in self._state.open():
            await call.write(_request(request, node))
            node = None  # told once a stream
        async for message in call:
            self.is_connected = True
            for request in self._state.receive(discovery_pb2.DiscoveryResponse.FromString(message)):
                if request.error is not None:
                    _log.warning("refused %s: %s", request.type_url, request.error)
                if not self._leaving:
                    await call.write(_request(request))
            if self._state.is_configured:
                self.configured.set()

    def _apply_or_reject(self, resources: Resources) -> None:
        """A bug in the proxy must not end its configuration: it is a refusal, for the operator to see."""
        try:
            self._apply(resources)
        except Rejected:
            raise
        except Exception as error:
            _log.exception("the new configuration could not be applied")
            raise Rejected(f"internal error: {error!r}") from error


def _request(request: Request, node: Any = None) -> bytes:
    message = discovery_pb2.DiscoveryRequest(
        node=node,
        type_url=request.type_url,
        resource_names=request.names,
        version_info=request.version,
        response_nonce=request.nonce,
    )
    if request.error is not None:
        message.error_detail.code = _INVALID_ARGUMENT
        message.error_detail.message = request.error
    return bytes(message.SerializeToString())
