"""Health checks in HTTP/2: requests, and gRPC's health protocol."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, cast

from mesh.http.h2.client import Client
from mesh.http.h2.errors import Code, StreamFault
from mesh.http.h2.hpack import encode_field
from mesh.http.h2.settings import Limits
from mesh.http.h2.stream import Stream
from mesh.http.message import Message, Response, Trailers
from mesh.model.health_check import GrpcHealthCheck, HttpHealthCheck
from mesh.proxy.health_check.http1_probe import IMMEDIATE_FAIL
from mesh.proxy.health_check.probe import Asked
from mesh.proxy.health_check.state import Outcome
from mesh.proxy.health_check.verdict import (
    GRPC_PATH,
    MAX_BODY_BYTES,
    USER_AGENT,
    grpc_outcome,
    grpc_request,
    http_outcome,
)
from mesh.proxy.http2 import Http2Protocol

Rules = HttpHealthCheck | GrpcHealthCheck


class Http2Line(Http2Protocol):
    """One check at a time, each on a stream of its own. Graceful shutdown lets the last one end."""

    __slots__ = ("_block", "_body", "_stream", "rules")

    codec: Client

    def __init__(
        self, loop: asyncio.AbstractEventLoop, rules: Rules, authority: str, secure: bool, timeout_s: float
    ) -> None:
        super().__init__(loop)
        self.rules = rules
        self._block = _head(rules, authority, b"https" if secure else b"http", timeout_s)
        self._body = grpc_request(rules.service_name) if isinstance(rules, GrpcHealthCheck) else b""
        self._stream: _Check | None = None
        self.codec = Client(lambda: None, Limits(), self.wake, time.monotonic)

    @property
    def is_usable(self) -> bool:
        return not self.closing and self.codec.can_open()

    def ask(self, answered: Asked) -> None:
        stream = self._stream = _Check(self, answered)
        self.codec.open(stream)
        self.codec.send_head(stream, self._block, not self._body)
        if self._body:
            self.codec.send_data(stream, self._body, True)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closing = True
        if self._stream is not None:
            self._stream.end(Outcome.NETWORK)

    def _streams(self) -> Sequence[Any]:
        return ()  # what is sent here is too little to wait for the socket


class _Check(Stream):
    """One check's request and answer."""

    __slots__ = ("_answered", "_data", "_line", "_response", "method")

    def __init__(self, line: Http2Line, answered: Asked) -> None:
        super().__init__(line.codec, 0)
        self._line = line
        self._answered: Asked | None = answered
        rules = line.rules
        self.method = rules.method.encode() if isinstance(rules, HttpHealthCheck) else b"POST"
        self._response: Response | None = None
        self._data = b""

    def head_received(self, message: Message) -> None:
        self._response = cast("Response", message)
        if message.complete:
            self._judge(())

    def data_received(self, data: bytes, end: bool) -> None:
        self._data = (self._data + data)[:MAX_BODY_BYTES]
        if end:
            self._judge(())

    def trailers_received(self, trailers: Trailers) -> None:
        self._judge(trailers)

    def reset_received(self, code: int) -> None:
        self.end(Outcome.NETWORK)

    def failed(self, fault: StreamFault) -> None:
        self.end(Outcome.NETWORK)

    def _judge(self, trailers: Trailers) -> None:
        response, rules = self._response, self._line.rules
        assert response is not None
        if isinstance(rules, HttpHealthCheck):
            outcome = http_outcome(rules, response.status, self._data)
        else:
            outcome = grpc_outcome(response.status, response.fields, self._data, dict(trailers))
        self.end(outcome, outcome is not Outcome.PASSED and IMMEDIATE_FAIL in response.fields)

    def end(self, outcome: Outcome, excluded: bool = False) -> None:
        answered, self._answered = self._answered, None
        self.connection.reset(self, Code.NO_ERROR)  # nothing, when both sides have ended
        if answered is not None:
            answered(outcome, excluded)


def _head(rules: Rules, authority: str, scheme: bytes, timeout_s: float) -> bytes:
    if isinstance(rules, HttpHealthCheck):
        method, path = rules.method.encode(), rules.path.encode()
        more = [(name.lower().encode(), value.encode()) for name, value in rules.headers]
    else:
        method, path = b"POST", GRPC_PATH
        deadline = (b"grpc-timeout", b"%dm" % (timeout_s * 1000))
        more = [(b"te", b"trailers"), (b"content-type", b"application/grpc"), deadline]
    pseudo = [
        (b":method", method),
        (b":scheme", scheme),
        (b":authority", authority.encode()),
        (b":path", path),
    ]
    return b"".join(map(encode_field, [*pseudo, (b"user-agent", USER_AGENT), *more]))
