"""Calls against grpcio's server."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from mesh.grpc.call import Call
from mesh.grpc.status import RpcError

DEADLINE_S = 10.0


async def test_a_stream_of_messages_goes_there_and_comes_back(server: Any) -> None:
    async with asyncio.timeout(DEADLINE_S), server.channel() as channel:
        call = channel.call("/test.Echo/Bidi")
        for message in (b"one", b"", bytes(100_000)):
            await call.write(message)
            assert await anext(call) == message
        call.done_writing()
        assert [message async for message in call] == [b"bye"]


async def test_a_message_larger_than_all_windows_arrives_whole(server: Any) -> None:
    large = bytes(range(256)) * 12_000  # 3 MB: within what grpcio takes in one message
    async with asyncio.timeout(DEADLINE_S), server.channel() as channel:
        call = channel.call("/test.Echo/Bidi")
        await call.write(large)
        assert await anext(call) == large


async def test_writing_waits_for_a_server_that_does_not_read(server: Any) -> None:
    async def write_all(call: Call) -> None:
        for _ in range(200):
            await call.write(bytes(50_000))
        call.done_writing()

    async with asyncio.timeout(DEADLINE_S), server.channel() as channel:
        call = channel.call("/test.Echo/Slow")
        writing = asyncio.create_task(write_all(call))
        done, _ = await asyncio.wait({writing}, timeout=0.3)
        assert not done, "10 MB are more than the server's windows"
        server.echo.proceed.set()
        await writing
        assert [message async for message in call] == [b"200"]


async def test_a_server_waits_for_a_reader_that_does_not_read(server: Any) -> None:
    async with asyncio.timeout(DEADLINE_S), server.channel() as channel:
        call = channel.call("/test.Echo/Flood")
        await call.write(b"20000")
        call.done_writing()
        async with asyncio.timeout(DEADLINE_S):
            while not call.stream.is_paused:  # noqa: ASYNC110 - the server is not ours to ask
                await asyncio.sleep(0.01)
        count = 0
        async for message in call:
            assert message == b"%d" % count
            count += 1
        assert count == 20_000


async def test_writing_to_a_call_that_has_ended_raises_its_error(server: Any) -> None:
    async with asyncio.timeout(DEADLINE_S), server.channel() as channel:
        call = channel.call("/test.Echo/Nothing")
        await call.closed()
        with pytest.raises(RpcError, match="UNIMPLEMENTED"):
            await call.write(b"x")
        with pytest.raises(RpcError, match="UNIMPLEMENTED"):
            await call.end()


async def test_a_cancel_is_seen_by_the_server(server: Any) -> None:
    async with asyncio.timeout(DEADLINE_S), server.channel() as channel:
        call = channel.call("/test.Echo/Never")
        await call.write(b"x")
        call.done_writing()
        await server.echo.began.wait()
        call.cancel()
        await server.echo.cancelled.wait()
        with pytest.raises(RpcError, match="CANCELLED"):
            await call.end()
