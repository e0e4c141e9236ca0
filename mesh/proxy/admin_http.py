"""A small HTTP/1.1 server for admin, metrics and health: asyncio, httptools, nothing else to import.

One handler a server: ``Request`` in, ``Response`` out (or an awaitable of one). Bodies of requests are read
and dropped; none of these interfaces has a use for one. Bounds: ``MAX_HEAD`` bytes of URL and headers,
``MAX_BODY`` of body, ``MAX_CONNECTIONS`` at once, ``IDLE_TIMEOUT_S`` without a byte.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qsl, urlsplit

import httptools

MAX_HEAD = 16 * 1024
MAX_BODY = 64 * 1024
MAX_CONNECTIONS = 128
IDLE_TIMEOUT_S = 30.0

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"

_log = logging.getLogger("mesh.proxy.admin")


@dataclass(frozen=True, slots=True)
class Request:
    """``query`` holds the last value of each parameter; one without ``=`` has the value ""."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    body: str | bytes = ""
    status: int = 200
    content_type: str = TEXT

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Response:
        return cls(json.dumps(value, indent=1) + "\n", status, JSON)


Handler = Callable[[Request], Response | Awaitable[Response]]


class HttpServer:
    """Serves one handler on one address. ``port`` 0 takes any; ``address`` says which it became."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.connections: set[_Connection] = set()
        self.tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError when the address is taken or not this machine's."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, loop), host, port)

    @property
    def address(self) -> tuple[str, int]:
        assert self._server is not None, "not started"
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def stop(self) -> None:
        """Close the socket and every connection; answers under way are given up."""
        if self._server is None:
            return
        self._server.close()
        for task in tuple(self.tasks):
            task.cancel()
        for connection in tuple(self.connections):
            connection.close()
        await self._server.wait_closed()
        self._server = None


class _Connection(asyncio.Protocol):
    """One client. Requests on it are answered one by one: reading pauses while an answer is made."""

    def __init__(self, server: HttpServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._waiting: list[tuple[Request | Response, bool]] = []  # to answer, or the answer; and keep alive
        self._busy = False
        self._parser = httptools.HttpRequestParser(self)
        self.on_message_begin()

    # asyncio's side
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but name
        if len(self._server.connections) >= MAX_CONNECTIONS:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections")
            return
        self._server.connections.add(self)
        self._restart_idle_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._transport = None
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        self._restart_idle_timer()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:  # answered as if it had not asked (RFC 9110 7.8), then closed
            self._waiting[-1] = (self._waiting[-1][0], False)
            self._next()
        except httptools.HttpParserError as error:  # what a callback raises is in its context
            self._refuse(HTTPStatus.BAD_REQUEST, str(error.__context__ or error))
        else:
            self._next()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _restart_idle_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self._loop.call_later(IDLE_TIMEOUT_S, self.close)

    # httptools' side
    def on_message_begin(self) -> None:
        self._url = b""
        self._head_bytes = self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count_head(len(name) + len(value))

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY:
            raise _TooLargeError(f"body of more than {MAX_BODY} bytes")

    def on_message_complete(self) -> None:
        parts = urlsplit(self._url.decode("latin-1"))
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        request = Request(self._parser.get_method().decode("ascii"), parts.path, query)
        self._waiting.append((request, self._parser.should_keep_alive()))

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > MAX_HEAD:
            raise _TooLargeError(f"head of more than {MAX_HEAD} bytes")

    # answering
    def _next(self) -> None:
        while self._waiting and not self._busy and self._transport is not None:
            asked, keep_alive = self._waiting.pop(0)
            method = asked.method if isinstance(asked, Request) else "GET"
            answer = self._call(asked) if isinstance(asked, Request) else asked
            if isinstance(answer, Response):
                self._write(answer, method, keep_alive)
                continue
            self._busy = True
            self._transport.pause_reading()
            task = self._loop.create_task(self._finish(answer, method, keep_alive))
            self._server.tasks.add(task)
            task.add_done_callback(self._server.tasks.discard)

    def _call(self, request: Request) -> Response | Awaitable[Response]:
        try:
            return self._server.handler(request)
        except Exception:
            _log.exception("%s %s failed", request.method, request.path)
            return Response("internal error, see the log\n", HTTPStatus.INTERNAL_SERVER_ERROR)

    async def _finish(self, answer: Awaitable[Response], method: str, keep_alive: bool) -> None:
        try:
            response = await answer
        except Exception:
            _log.exception("an answer failed")
            response = Response("internal error, see the log\n", HTTPStatus.INTERNAL_SERVER_ERROR)
        self._busy = False
        self._write(response, method, keep_alive)
        if self._transport is not None:
            self._transport.resume_reading()
        self._next()

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        """After what came before it was answered; then the connection ends."""
        self._waiting.append((Response(reason + "\n", status), False))
        self._next()

    def _write(self, response: Response, method: str, keep_alive: bool) -> None:
        if self._transport is None:
            return
        body = response.body.encode() if isinstance(response.body, str) else response.body
        head = (
            f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
            f"content-type: {response.content_type}\r\ncontent-length: {len(body)}\r\n"
            f"cache-control: no-cache, max-age=0\r\nx-content-type-options: nosniff\r\n"
        )
        head += "\r\n" if keep_alive else "connection: close\r\n\r\n"
        self._transport.write(head.encode("latin-1") + (b"" if method == "HEAD" else body))
        if not keep_alive:
            self._waiting.clear()
            self._transport.close()


class _TooLargeError(Exception):
    """A request over one of the bounds."""
