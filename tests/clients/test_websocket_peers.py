"""WebSocket between two libraries that share no code, the proxy between them: what one says the other hears.

wsproto writes frames as it is told, so the client's are cut, mixed with pings and sent in pieces at random,
by a seed; ``websockets`` answers, strictly.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise
from random import Random

import pytest
import pytest_asyncio
from differ.origin import HOST
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Message,
    Ping,
    Pong,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

DEADLINE_S = 20.0
Said = str | bytes


class Peer:
    """An echo server that remembers how each connection ended, and what it agreed to."""

    def __init__(self) -> None:
        self.ends: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()
        self.extensions: list[str] = []

    async def serve(self, connection: ServerConnection) -> None:
        self.extensions = [extension.name for extension in connection.protocol.extensions]
        try:
            async for message in connection:
                if isinstance(message, str) and message.startswith("close "):
                    await connection.close(int(message[6:]), "as told")
                    break
                await connection.send(message)
        except ConnectionClosed:
            pass
        await connection.wait_closed()
        self.ends.put_nowait((connection.close_code, connection.close_reason))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def peer(through) -> AsyncIterator[Peer]:
    made = Peer()
    async with serve(made.serve, HOST, through.websockets_port, max_size=None, ping_interval=None):
        yield made


class Fuzzed:
    """A client whose bytes go out in pieces of the seed's choosing."""

    def __init__(self, rng: Random, *, deflate: bool = False) -> None:
        self.rng = rng
        self.wire = WSConnection(ConnectionType.CLIENT)
        self.extensions = [PerMessageDeflate()] if deflate else []
        self.heard: list[Said] = []
        self.pongs: list[bytes] = []
        self.end: CloseConnection | None = None
        self._parts: list[Said] = []

    async def open(self, port: int) -> None:
        self.reader, self.writer = await asyncio.open_connection(HOST, port)
        await self.send(Request(host=f"{HOST}:{port}", target="/ws", extensions=self.extensions))
        while self.wire.state is ConnectionState.CONNECTING:
            await self._read()

    async def send(self, *events: object) -> None:
        data = b"".join(self.wire.send(event) for event in events)  # type: ignore[arg-type]
        while data:
            size = self.rng.choice((1, 3, 50, 5000, 200_000))
            self.writer.write(data[:size])
            data = data[size:]
            await self.writer.drain()

    async def say(self, message: Said) -> None:
        """One message in up to five frames, pings between them, some frames empty."""
        kind = TextMessage if isinstance(message, str) else BytesMessage
        cuts = sorted(self.rng.randint(0, len(message)) for _ in range(self.rng.randrange(5)))
        places = [0, *cuts, len(message)]
        for index, (begin, end) in enumerate(pairwise(places)):
            if self.rng.random() < 0.3:
                await self.send(Ping(self.rng.randbytes(self.rng.choice((0, 1, 125)))))
            await self.send(kind(message[begin:end], message_finished=index == len(places) - 2))

    async def hear(self, count: int) -> None:
        while len(self.heard) < count:
            await self._read()

    async def close(self, code: int, reason: str) -> None:
        await self.send(CloseConnection(code, reason))
        await self.closed()

    async def told(self) -> None:
        while self.end is None:
            await self._read()

    async def closed(self) -> None:
        """Until the other side has said why, and the connection is at its end."""
        await self.told()
        assert self.end is not None
        if self.wire.state is ConnectionState.REMOTE_CLOSING:
            await self.send(self.end.response())
        assert await self.reader.read() == b""
        self.writer.close()

    async def _read(self) -> None:
        self.wire.receive_data(await self.reader.read(65536) or None)
        for event in self.wire.events():
            match event:
                case AcceptConnection():
                    self.agreed = event.extensions
                case Message():
                    self._parts.append(event.data)
                    if event.message_finished:
                        parts, self._parts = self._parts, []
                        self.heard.append(type(parts[0])().join(parts))  # type: ignore[arg-type]
                case Pong():
                    self.pongs.append(bytes(event.payload))
                case CloseConnection():
                    self.end = event


def messages(rng: Random, count: int = 12) -> list[Said]:
    sizes = (0, 1, 125, 126, 127, 65535, 65536, 100_000)
    texts = ("", "a", "\u00e9\u4e2d\U0001f600" * 50, "x" * 70_000)
    return [
        rng.choice(texts) if rng.random() < 0.4 else rng.randbytes(rng.choice(sizes)) for _ in range(count)
    ]


@pytest.mark.parametrize("deflate", [False, True])
@pytest.mark.parametrize("seed", range(4))
async def test_fuzzed_fragments_come_back_as_messages(through, peer, seed, deflate):
    rng = Random(seed)
    client, said = Fuzzed(rng, deflate=deflate), messages(rng)
    async with asyncio.timeout(DEADLINE_S):
        await client.open(through.port)
        reading = asyncio.create_task(client.hear(len(said)))
        for message in said:
            await client.say(message)
        await reading
        await client.send(Ping(b"last"))
        while b"last" not in client.pongs:
            await client._read()
        await client.close(1000, "done")
        assert await peer.ends.get() == (1000, "done")
    assert client.heard == said
    assert peer.extensions == (["permessage-deflate"] if deflate else [])
    assert len(client.agreed) == int(deflate)


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1007, 1009, 1011, 3000, 4999])
async def test_close_codes_reach_the_other_side(through, peer, code):
    async with asyncio.timeout(DEADLINE_S):
        client = Fuzzed(Random(code))
        await client.open(through.port)
        await client.close(code, "why \u00e9")
        assert await peer.ends.get() == (code, "why \u00e9")
        other = Fuzzed(Random(code + 1))
        await other.open(through.port)
        await other.say(f"close {code}")
        await other.closed()
        assert other.end is not None
        assert (other.end.code, other.end.reason) == (code, "as told")
        assert await peer.ends.get() == (code, "as told")


async def test_a_client_that_vanishes_is_gone_for_the_server_too(through, peer):
    async with asyncio.timeout(DEADLINE_S):
        client = Fuzzed(Random(1))
        await client.open(through.port)
        await client.send(BytesMessage(b"half", message_finished=False))
        client.writer.transport.abort()
        assert await peer.ends.get() == (1006, "")


@pytest.mark.parametrize(
    "frame",
    [
        b"\x83\x80\0\0\0\0",
        b"\xf1\x80\0\0\0\0",
        b"\x89\xfe\0\x7e" + bytes(130),
        b"\x81\x01a",
        b"\x81\x82\0\0\0\0\xc3\x28",
    ],
    ids=["opcode", "reserved bits", "a long ping", "no mask", "no UTF-8"],
)
async def test_broken_frames_reach_the_peer_that_refuses_them(through, peer, frame):
    """They are bytes to the proxy; what the server says of them comes back."""
    async with asyncio.timeout(DEADLINE_S):
        client = Fuzzed(Random(2))
        await client.open(through.port)
        client.writer.write(frame)
        await client.told()
        assert client.end is not None
        assert client.end.code == (1007 if frame.endswith(b"\x28") else 1002)
        client.writer.transport.abort()
        assert await peer.ends.get() == (1006, "")  # it heard no close of ours


async def test_the_other_library_as_client(through, peer):
    async with (
        asyncio.timeout(DEADLINE_S),
        connect(f"ws://{HOST}:{through.port}/ws", max_size=None) as client,
    ):
        for message in messages(Random(9)):
            await client.send(message)
            assert await client.recv() == message
        assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]
    async with asyncio.timeout(DEADLINE_S):
        assert (await peer.ends.get())[0] == 1000
