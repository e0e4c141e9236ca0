"""Envoy's ADS stream to the control plane, passed on byte by byte over the agent's own TLS channel.

Envoy knows one fixed token; here each stream gets the one that is in the token's file when it begins. When
the control plane is away a stream ends, and Envoy begins the next within a second (its bootstrap says so).

On the way out the agent leaves before Envoy ends: it closes its half of the ADS stream, which is how
pilot learns that this workload takes no new requests, and holds Envoy's half open meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import grpc

from mesh.grpc.call import Call
from mesh.grpc.channel import Channel
from mesh.grpc.status import RpcError

ADS = frozenset(
    {
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
    }
)

_STATUS = {code.value[0]: code for code in grpc.StatusCode}

LEAVE_TIMEOUT_S = 1.0  # for the control plane to end the stream that we have half-closed


class Forwarder(grpc.GenericRpcHandler):  # type: ignore[misc]
    """Any method but ADS is UNIMPLEMENTED."""

    def __init__(self, open_channel: Callable[[], Channel]) -> None:
        self._open_channel = open_channel
        self._ads: dict[Call, asyncio.Task[None]] = {}  # call to the control plane -> what feeds it
        self._leaving = False

    def service(self, details: Any) -> Any:
        if details.method not in ADS:
            return None

        async def forward(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
            async for message in self._forward(details.method, requests, context):
                yield message

        return grpc.stream_stream_rpc_method_handler(forward)

    def add_to_server(self, server: grpc.aio.Server) -> None:
        server.add_generic_rpc_handlers((self,))

    async def leave(self) -> None:
        """End the ADS streams cleanly and begin no other. Returns when the control plane has agreed."""
        self._leaving = True
        calls = tuple(self._ads)
        for call in calls:
            self._ads[call].cancel()
            call.done_writing()
        if calls:
            await asyncio.wait(
                [asyncio.ensure_future(call.closed()) for call in calls], timeout=LEAVE_TIMEOUT_S
            )

    async def _forward(
        self, method: str, requests: AsyncIterator[bytes], context: Any
    ) -> AsyncIterator[bytes]:
        if self._leaving:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "this sidecar is leaving")
        try:
            async with self._open_channel() as channel:
                call = channel.call(method)
                sending = self._ads[call] = asyncio.create_task(_send(requests, call), name="forward ADS")
                try:
                    async for message in call:
                        yield message
                    if self._leaving:
                        await asyncio.Event().wait()  # until Envoy ends the stream: it must not begin another
                finally:
                    self._ads.pop(call, None)
                    sending.cancel()
        except RpcError as failure:
            await context.abort(_STATUS.get(failure.code, grpc.StatusCode.UNKNOWN), failure.details)
        except OSError as failure:  # the root certificate's file, or the token's, is not there (yet)
            await context.abort(grpc.StatusCode.UNAVAILABLE, str(failure))


async def _send(requests: AsyncIterator[bytes], call: Call) -> None:
    """Pass requests on, at the pace the control plane takes them, and then the half-close."""
    # a call that has ended is reported by its reader
    with suppress(RpcError):
        async for request in requests:
            await call.write(request)
        call.done_writing()
