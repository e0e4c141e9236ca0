"""grpcio's server, whose methods take and give bytes: what our client must agree with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
import uvloop

from mesh.grpc.channel import Channel

SERVICE = "test.Echo"


def pytest_asyncio_loop_factories(config: object, item: object) -> dict[str, Callable[[], object]]:
    """The loop that production runs on."""
    return {"uvloop": uvloop.new_event_loop}


class Echo:
    """``seen`` is what arrived; ``proceed`` holds Slow up; ``cancelled``: a client gave up."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.metadata: dict[str, str] = {}
        self.proceed = asyncio.Event()
        self.began = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def Unary(self, request: bytes, context: Any) -> bytes:
        self.metadata = {key: str(value) for key, value in context.invocation_metadata()}
        self.deadline_s = context.time_remaining()
        return request * 2

    async def Fail(self, request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode(tuple(grpc.StatusCode)[int(request)].value), "nicht so, 100 %: ñ")
        return b""

    async def Never(self, request: bytes, context: Any) -> bytes:
        self.began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return b""

    async def Bidi(self, requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            self.seen.append(request)
            yield request
        yield b"bye"

    async def Slow(self, requests: AsyncIterator[bytes], context: Any) -> bytes:
        """Takes nothing before ``proceed``."""
        await self.proceed.wait()
        async for request in requests:
            self.seen.append(request)
        return b"%d" % len(self.seen)

    async def Flood(self, request: bytes, context: Any) -> AsyncIterator[bytes]:
        for number in range(int(request)):
            self.seen.append(b"%d" % number)
            yield b"%d" % number


class Server:
    def __init__(self) -> None:
        self.echo = Echo()
        self.port = 0

    async def start(self) -> None:
        self.grpc = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        handlers = {
            "Unary": grpc.unary_unary_rpc_method_handler(self.echo.Unary),
            "Fail": grpc.unary_unary_rpc_method_handler(self.echo.Fail),
            "Never": grpc.unary_unary_rpc_method_handler(self.echo.Never),
            "Bidi": grpc.stream_stream_rpc_method_handler(self.echo.Bidi),
            "Slow": grpc.stream_unary_rpc_method_handler(self.echo.Slow),
            "Flood": grpc.unary_stream_rpc_method_handler(self.echo.Flood),
        }
        self.grpc.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.port = self.grpc.add_insecure_port(f"127.0.0.1:{self.port}")
        await self.grpc.start()

    def channel(self, **options: Any) -> Channel:
        return Channel(("127.0.0.1", self.port), **options)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    await made.start()
    yield made
    await made.grpc.stop(None)
