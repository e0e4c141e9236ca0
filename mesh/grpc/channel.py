"""The connection that calls share: HTTP/2 over TLS, with keep-alive.

    async with Channel(("127.0.0.1", 15012), tls, "istiod.istio-system.svc") as channel:
        answer = await channel.unary(METHOD, message, timeout_s=5)
        call = channel.call(METHOD)

One connection, not a pool: when it breaks every call on it ends with UNAVAILABLE, and whoever called opens
another channel, at a pace of its own.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from typing import cast

from mesh.grpc.call import Call
from mesh.grpc.status import INTERNAL, UNAVAILABLE, RpcError
from mesh.grpc.stream import CONTENT_TYPE, CallStream
from mesh.http.h2 import frames
from mesh.http.h2.client import Client
from mesh.http.h2.errors import Code, ConnectionFault
from mesh.http.h2.hpack import Field, encode_field
from mesh.http.h2.settings import Limits
from mesh.model.version import VERSION
from mesh.proxy.handshake import HandshakeError
from mesh.proxy.http2 import Http2Protocol
from mesh.proxy.tls_client import connect_tls

CONNECT_TIMEOUT_S = 5.0
# A peer whose host is gone is noticed like this; Istio's agent uses the same 30 s and 10 s.
KEEPALIVE_S = 30.0
KEEPALIVE_TIMEOUT_S = 10.0

Metadata = Callable[[], Iterable[Field]]


def _nothing() -> Iterable[Field]:
    return ()


class Channel:
    """``metadata`` is asked at each call, and may raise OSError, which the call then does. ``tls`` None:
    plaintext. Entering connects, or raises RpcError (UNAVAILABLE).
    """

    def __init__(
        self,
        address: tuple[str, int],
        tls: ssl.SSLContext | None = None,
        server_name: str = "",
        *,
        metadata: Metadata = _nothing,
        keepalive_s: float = KEEPALIVE_S,
        keepalive_timeout_s: float = KEEPALIVE_TIMEOUT_S,
    ) -> None:
        """``server_name``: whom the server's certificate must name, and the calls' authority."""
        self._address = address
        self._tls = tls
        self._authority = server_name or "{}:{}".format(*address)
        self._metadata = metadata
        self._keepalive = keepalive_s, keepalive_timeout_s
        self._connection: _Connection | None = None

    async def __aenter__(self) -> Channel:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                self._connection = await self._connect()
        except (OSError, HandshakeError) as error:
            where = "{}:{}".format(*self._address)
            why = str(error) or f"no answer within {CONNECT_TIMEOUT_S:g} s"  # a TimeoutError has no words
            raise RpcError(UNAVAILABLE, f"cannot connect to {where}: {why}") from error
        return self

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        connection = _Connection(loop, *self._keepalive)
        if self._tls is None:
            await loop.create_connection(lambda: connection, *self._address)
        else:
            secured = await connect_tls(loop, self._address, self._tls, self._authority)
            secured.attach(connection)
        return connection

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """At once: calls that are open end with UNAVAILABLE, the server sees them reset."""
        if self._connection is not None:
            self._connection.leave()

    def call(self, method: str, *, timeout_s: float | None = None) -> Call:
        """Begin a call. Raises RpcError when the server takes no more, OSError as ``metadata`` does."""
        connection = self._connection
        assert connection is not None, "not entered"
        fields = [
            (b":method", b"POST"),
            (b":scheme", b"http" if self._tls is None else b"https"),
            (b":path", method.encode()),
            (b":authority", self._authority.encode()),
            (b"te", b"trailers"),
            (b"content-type", CONTENT_TYPE),
            (b"user-agent", b"mesh-labs/" + VERSION.encode()),
        ]
        if timeout_s is not None:
            fields.append((b"grpc-timeout", b"%dm" % max(1, round(timeout_s * 1000))))
        fields += self._metadata()
        codec = connection.codec
        if connection.closing or not codec.can_open():
            raise RpcError(UNAVAILABLE, "the connection takes no more calls")
        call = Call(codec)
        codec.open(call.stream)
        codec.send_head(call.stream, b"".join(map(encode_field, fields)), False)
        return call

    async def unary(self, method: str, request: bytes, *, timeout_s: float) -> bytes:
        """The one answer to one message. Raises RpcError, DEADLINE_EXCEEDED among them."""
        call = self.call(method, timeout_s=timeout_s)
        deadline = asyncio.get_running_loop().call_later(timeout_s, call.deadline_passed)
        try:
            await call.write(request)
            call.done_writing()
            answers = [answer async for answer in call]
        finally:
            deadline.cancel()
            call.cancel()
        if len(answers) != 1:
            raise RpcError(INTERNAL, f"expected one answer, got {len(answers)}")
        return answers[0]


class _Connection(Http2Protocol):
    """The socket's side. ``_heard`` is when something came last, ``_asked`` when we last sent a ping."""

    __slots__ = ("_asked", "_heard", "_keepalive_s", "_keepalive_timeout_s", "_timer")

    codec: Client

    def __init__(
        self, loop: asyncio.AbstractEventLoop, keepalive_s: float, keepalive_timeout_s: float
    ) -> None:
        super().__init__(loop)
        self.codec = Client(self._told, Limits(), self.wake, time.monotonic)
        self._keepalive_s, self._keepalive_timeout_s = keepalive_s, keepalive_timeout_s
        self._heard = self._asked = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._heard = self.loop.time()
        self._timer = self.loop.call_later(self._keepalive_s, self._ask)

    def _told(self) -> None:
        """The server's settings came, or its GOAWAY: calls go on, and ``can_open`` knows."""

    def data_received(self, data: bytes) -> None:
        self._heard = self.loop.time()
        super().data_received(data)

    def _ask(self) -> None:
        """Ping a server that has been silent; one that stays so is gone."""
        self._asked = self.loop.time()
        silent_s = self._asked - self._heard
        if silent_s < self._keepalive_s:
            self._timer = self.loop.call_later(self._keepalive_s - silent_s, self._ask)
            return
        self.codec.out.append(frames.frame(frames.PING, 0, 0, b"are here"))
        self.flush()
        self._timer = self.loop.call_later(self._keepalive_timeout_s, self._judge)

    def _judge(self) -> None:
        if self._heard >= self._asked:
            self._ask()
        else:
            self._fail_calls("no answer to a keep-alive ping")
            self.transport.abort()

    def leave(self) -> None:
        for stream in self._streams():
            stream.cancel(RpcError(UNAVAILABLE, "the channel was closed"))
        if not self.closing:
            self.codec.out.append(frames.goaway(0, Code.NO_ERROR))
        self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        if self._timer is not None:
            self._timer.cancel()
        fault: ConnectionFault | None = self.codec.fault
        self._fail_calls(fault.detail if fault is not None else str(exc or "the server closed"))

    def _fail_calls(self, why: str) -> None:
        for stream in self._streams():
            self.codec.forget(stream)
            stream.fail(RpcError(UNAVAILABLE, why))

    def _streams(self) -> Sequence[CallStream]:
        return cast("Sequence[CallStream]", list(self.codec.streams.values()))
