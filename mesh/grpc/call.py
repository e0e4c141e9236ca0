"""A call as a task uses it. Reading and writing may be two tasks' work.

call = channel.call("/package.Service/Method")
await call.write(message)            waits while the server takes no more
call.done_writing()
async for message in call: ...       ends when the server ends the call with OK; else raises RpcError
await call.end()                     for calls whose answers nobody reads
"""

from __future__ import annotations

import asyncio

from mesh.grpc.status import DEADLINE_EXCEEDED, RpcError
from mesh.grpc.stream import CallStream
from mesh.http.h2.client import Client


class Call:
    """Messages are bytes. A call that nobody needs any more is to be cancelled, or its channel closed."""

    def __init__(self, connection: Client) -> None:
        self._changed = asyncio.Event()
        self.stream = CallStream(connection, self._changed.set)

    async def write(self, message: bytes) -> None:
        """Raises RpcError when the call has ended, whatever its status: nobody will read this."""
        stream = self.stream
        if not stream.ended:
            stream.send(message)
            while stream.is_blocked and not stream.ended:
                await self._change()
        if stream.ended:
            raise stream.error or RpcError(0, "the server has ended the call")

    def done_writing(self) -> None:
        self.stream.send_end()

    def __aiter__(self) -> Call:
        return self

    async def __anext__(self) -> bytes:
        stream = self.stream
        while not stream.messages:
            if stream.ended:
                if stream.error is not None:
                    raise stream.error
                raise StopAsyncIteration
            await self._change()
        return stream.take()

    async def end(self) -> None:
        """Wait for the end; messages that still come are dropped. Raises RpcError unless it was OK."""
        async for _ in self:
            pass

    async def closed(self) -> None:
        """Wait until it has ended, however; messages stay for whoever reads them."""
        while not self.stream.ended:
            await self._change()

    def cancel(self) -> None:
        self.stream.cancel()

    def deadline_passed(self) -> None:
        self.stream.cancel(RpcError(DEADLINE_EXCEEDED, "no answer within the deadline"))

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
