"""The small server over real sockets, byte by byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from mesh.proxy import admin_http
from mesh.proxy.admin_http import HttpServer, Request, Response

Dial = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


def answer(request: Request) -> Response | Awaitable[Response]:
    if request.path == "/slow":
        return slow(request)
    if request.path == "/bug":
        raise ValueError("secret")
    if request.path == "/slow-bug":
        return slow_bug()
    query = "&".join(f"{key}={value}" for key, value in request.query.items())
    return Response(f"{request.method} {request.path} {query}")


async def slow(request: Request) -> Response:
    await asyncio.sleep(0)
    return Response("slow")


async def slow_bug() -> Response:
    await asyncio.sleep(0)
    raise ValueError("secret")


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    made = HttpServer(answer)
    await made.start("127.0.0.1", 0)
    yield made
    await made.stop()


@pytest.fixture
async def dial(server: HttpServer) -> AsyncIterator[Dial]:
    writers = []

    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(*server.address)
        writers.append(writer)
        return reader, writer

    yield connect
    for writer in writers:
        writer.close()


async def reply(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    async with asyncio.timeout(5):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in head[1:] if line)
        return int(head[0].split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


async def test_requests_on_one_connection_are_answered_in_order(dial: Dial) -> None:
    reader, writer = await dial()
    writer.write(
        b"GET /a?x=1&y HTTP/1.1\r\nHost: a\r\n\r\nGET /slow HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\n\r\n"
    )
    assert [(await reply(reader))[2] for _ in range(3)] == [b"GET /a x=1&y=", b"slow", b"POST /b "]


async def test_a_request_may_come_in_pieces_and_its_body_is_dropped(dial: Dial) -> None:
    reader, writer = await dial()
    for byte in b"POST /p HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /q HTTP/1.1\r\n\r\n":
        writer.write(bytes([byte]))
        await writer.drain()
    assert [(await reply(reader))[2] for _ in range(2)] == [b"POST /p ", b"GET /q "]


async def test_who_asks_to_close_is_closed(dial: Dial) -> None:
    reader, writer = await dial()
    writer.write(b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\nGET /b HTTP/1.1\r\n\r\n")
    status, headers, _ = await reply(reader)
    assert (status, headers["connection"]) == (200, "close")
    assert await reader.read() == b""


async def test_head_has_no_body(dial: Dial) -> None:
    reader, writer = await dial()
    writer.write(b"HEAD /a HTTP/1.0\r\n\r\n")
    answered = await reader.read()
    assert answered.endswith(b"\r\n\r\n")
    assert b"content-length: 8" in answered


@pytest.mark.parametrize("path", ["/bug", "/slow-bug"])
async def test_a_bug_is_a_500_that_tells_nothing(
    dial: Dial, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    reader, writer = await dial()
    writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
    status, _, body = await reply(reader)
    assert (status, b"secret" in body) == (500, False)
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n bad: header\r\n\r\n",
        b"GET /" + b"x" * admin_http.MAX_HEAD + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nh: " + b"x" * admin_http.MAX_HEAD + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 999999\r\n\r\n" + b"x" * (admin_http.MAX_BODY + 1),
    ],
)
async def test_what_is_malformed_or_too_large_is_refused_and_closed(dial: Dial, sent: bytes) -> None:
    reader, writer = await dial()
    writer.write(sent)
    assert (await reply(reader))[0] == 400
    assert await reader.read() == b""


async def test_an_upgrade_is_not_taken(dial: Dial) -> None:
    reader, writer = await dial()
    writer.write(b"GET /a HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nxyz")
    assert (await reply(reader))[2] == b"GET /a "
    assert await reader.read() == b""


async def test_a_silent_connection_is_closed(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch, dial: Dial
) -> None:
    monkeypatch.setattr(admin_http, "IDLE_TIMEOUT_S", 0.01)
    reader, _ = await dial()
    async with asyncio.timeout(5):
        assert await reader.read() == b""


async def test_connections_are_limited(monkeypatch: pytest.MonkeyPatch, dial: Dial) -> None:
    monkeypatch.setattr(admin_http, "MAX_CONNECTIONS", 1)
    reader, writer = await dial()
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await reply(reader)
    second, _ = await dial()
    assert (await reply(second))[0] == 503


async def test_stop_closes_what_is_open(server: HttpServer, dial: Dial) -> None:
    reader, writer = await dial()
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    await reply(reader)
    await server.stop()
    assert await reader.read() == b""
