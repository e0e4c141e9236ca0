"""The connection: against grpcio's server, and against peers that are silent. TLS and tokens are in
``tests/mesh/proxy/agent/test_control_plane.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from mesh.grpc import channel as module
from mesh.grpc.channel import Channel
from mesh.grpc.status import NAMES, RpcError
from mesh.http.h2.frames import ACK, PING, frame
from mesh.http.h2.settings import Limits, settings_frame

DEADLINE_S = 10.0


async def test_one_answer_to_one_message(server: Any) -> None:
    async with server.channel(metadata=lambda: ((b"x-from", b"us"),)) as channel:
        assert await channel.unary("/test.Echo/Unary", b"ab", timeout_s=5) == b"abab"
    assert server.echo.metadata["x-from"] == "us"
    assert server.echo.metadata["user-agent"].startswith("mesh-labs/")
    assert 4 < server.echo.deadline_s <= 5


@pytest.mark.parametrize("code", range(1, len(NAMES)))
async def test_a_refusal_has_the_servers_code_and_words(server: Any, code: int) -> None:
    async with server.channel() as channel:
        with pytest.raises(RpcError) as refused:
            await channel.unary("/test.Echo/Fail", b"%d" % code, timeout_s=5)
    assert (refused.value.code, refused.value.details) == (code, "nicht so, 100 %: ñ")


async def test_a_deadline_ends_the_call_on_both_sides(server: Any) -> None:
    async with asyncio.timeout(DEADLINE_S), server.channel() as channel:
        with pytest.raises(RpcError, match="DEADLINE_EXCEEDED"):
            await channel.unary("/test.Echo/Never", b"x", timeout_s=0.05)
        await server.echo.cancelled.wait()


async def test_a_task_that_is_cancelled_cancels_its_call(server: Any) -> None:
    async with asyncio.timeout(DEADLINE_S), server.channel() as channel:
        calling = asyncio.create_task(channel.unary("/test.Echo/Never", b"x", timeout_s=5))
        await server.echo.began.wait()
        calling.cancel()
        await server.echo.cancelled.wait()


async def test_calls_share_the_connection(server: Any) -> None:
    async with asyncio.timeout(DEADLINE_S), server.channel() as channel:
        answers = await asyncio.gather(
            *(channel.unary("/test.Echo/Unary", b"%d" % number, timeout_s=5) for number in range(50))
        )
    assert answers == [b"%d" % number * 2 for number in range(50)]


async def test_metadata_that_cannot_be_had_fails_the_call_and_not_the_channel(server: Any) -> None:
    said: list[tuple[bytes, bytes]] = []

    def metadata() -> list[tuple[bytes, bytes]]:
        if not said:
            raise FileNotFoundError("token")
        return said

    async with server.channel(metadata=metadata) as channel:
        with pytest.raises(FileNotFoundError):
            channel.call("/test.Echo/Unary")
        said.append((b"authorization", b"Bearer x"))
        assert await channel.unary("/test.Echo/Unary", b"a", timeout_s=5) == b"aa"


async def test_a_server_that_goes_ends_every_call(server: Any) -> None:
    async with asyncio.timeout(DEADLINE_S), server.channel() as channel:
        calls = [channel.call("/test.Echo/Bidi") for _ in range(3)]
        await calls[0].write(b"x")
        assert await anext(calls[0]) == b"x"
        await server.grpc.stop(None)
        for call in calls:
            with pytest.raises(RpcError):
                await call.end()
        with pytest.raises(RpcError, match="takes no more calls"):
            channel.call("/test.Echo/Bidi")


async def test_leaving_ends_calls_here_and_there(server: Any) -> None:
    async with asyncio.timeout(DEADLINE_S):
        async with server.channel() as channel:
            call = channel.call("/test.Echo/Never")
            await call.write(b"x")
            call.done_writing()
            await server.echo.began.wait()
        with pytest.raises(RpcError, match="UNAVAILABLE: the channel was closed"):
            await call.end()
        await server.echo.cancelled.wait()


async def test_nobody_there_is_unavailable(unused_tcp_port: int) -> None:
    with pytest.raises(RpcError, match=f"UNAVAILABLE: cannot connect to 127.0.0.1:{unused_tcp_port}"):
        await Channel(("127.0.0.1", unused_tcp_port)).__aenter__()


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@asynccontextmanager
async def peer(talk: Talk) -> AsyncIterator[int]:
    """A server that does what ``talk`` says; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_a_peer_that_never_finishes_the_handshake_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import ssl

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 0.05)
    async with asyncio.timeout(DEADLINE_S), peer(silence) as port:
        with pytest.raises(RpcError, match=r"no answer within 0\.05 s"):
            await Channel(("127.0.0.1", port), ssl.create_default_context(), "x").__aenter__()


async def test_a_silent_server_is_asked_and_then_given_up() -> None:
    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(settings_frame(Limits(), is_client=False))
        await reader.read()

    async with asyncio.timeout(DEADLINE_S), peer(silence) as port:
        async with Channel(("127.0.0.1", port), keepalive_s=0.05, keepalive_timeout_s=0.05) as channel:
            with pytest.raises(RpcError, match="UNAVAILABLE: no answer to a keep-alive ping"):
                await channel.call("/s/m").end()


async def test_a_silent_server_that_answers_pings_is_kept() -> None:
    pings: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(settings_frame(Limits(), is_client=False))
        await reader.readexactly(24)
        while head := await reader.read(9):
            payload = await reader.readexactly(int.from_bytes(head[:3]))
            if head[3] == PING:
                writer.write(frame(PING, ACK, 0, payload))
                pings.put_nowait(payload)

    async with asyncio.timeout(DEADLINE_S), peer(answer) as port:
        async with Channel(("127.0.0.1", port), keepalive_s=0.02, keepalive_timeout_s=0.5) as channel:
            call = channel.call("/s/m")
            for _ in range(3):
                await pings.get()
            assert not call.stream.ended
