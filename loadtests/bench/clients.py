"""The load's connections: each sends its next request when one is answered, and notes how long that took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import cast

from jh2.hpack import Decoder  # type: ignore[import-untyped]

from loadtests.bench.h2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    Blocks,
    Fields,
    Frames,
    frame,
    opening,
    path_field,
)

PATH = "/api/v1/products/0/reviews"
PATHS = [PATH.replace("0", str(number)) for number in range(1000)]
_FIELDS = {
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0",
    "accept": "application/json",
    "accept-language": "en-US,en;q=0.9",
    "accept-encoding": "gzip, deflate",
    "end-user": "jason",
    "cookie": "session=eyJ1c2VyIjoiamFzb24ifQ.ZVdQ4A.c2lnbmF0dXJl",
}


def http1_request(authority: str) -> bytes:
    """A browser-like request head, some 350 bytes: what a sidecar parses in real life."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in _FIELDS.items())
    return f"GET {PATH} HTTP/1.1\r\nhost: {authority}\r\n{fields}\r\n".encode()


def http2_fields(authority: str, grpc: bool) -> Fields:
    """The same request of HTTP/2, without its path; or a gRPC call as grpc-go writes it."""
    if grpc:
        fields = {":method": "POST", ":scheme": "http", ":path": "/bench.Echo/Unary", ":authority": authority}
        fields |= {"content-type": "application/grpc", "user-agent": "grpc-go/1.70.0", "te": "trailers"}
    else:
        fields = {":method": "GET", ":scheme": "http", ":authority": authority} | _FIELDS
    return [(name.encode(), value.encode()) for name, value in fields.items()]


class Client(asyncio.Protocol):
    """What both kinds of connection have. ``answered`` takes each request's seconds."""

    def __init__(self, answered: Callable[[float], None]) -> None:
        self.answered = answered
        self.errors = 0
        self.stopped = False
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.start()

    def start(self) -> None:
        """The connection is there: send the first requests."""
        raise NotImplementedError

    def stop(self) -> None:
        """End with the requests in flight."""
        self.stopped = True

    def connection_lost(self, error: Exception | None) -> None:
        if not self.stopped:
            self.errors += 1
        if not self.closed.done():
            self.closed.set_result(None)


class Http1Client(Client):
    """Sends its requests in turn, from ``first`` on, one every ``interval_s`` (0 = at once). Counts the body
    by content-length; anything but 200 is an error."""

    def __init__(
        self, answered: Callable[[float], None], requests: Sequence[bytes], first: int, interval_s: float
    ) -> None:
        super().__init__(answered)
        self._requests = requests
        self._next = first
        self._interval_s = interval_s
        self._expected = 0  # bytes of the response still to come
        self._head = b""

    def start(self) -> None:
        self._due = time.perf_counter()
        self._send()

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self.transport.write(self._requests[self._next % len(self._requests)])
        self._next += 1

    def data_received(self, data: bytes) -> None:
        if self._expected:
            self._expected -= len(data)
        else:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            self._expected = _content_length(self._head[:end]) - (len(self._head) - end - 4)
            if not self._head.startswith(b"HTTP/1.1 200"):
                self.errors += 1
            self._head = b""
        if self._expected <= 0:
            self._expected = 0
            self._answered()

    def _answered(self) -> None:
        now = time.perf_counter()
        self.answered(now - self._sent)
        if self.stopped:
            self.transport.close()
            return
        self._due = max(self._due + self._interval_s, now - 0.05)
        if self._due > now:
            asyncio.get_running_loop().call_later(self._due - now, self._send)
        else:
            self._send()


def _content_length(head: bytes) -> int:
    lower = head.lower()
    start = lower.index(b"content-length:") + len(b"content-length:")
    return int(lower[start:].split(b"\r\n", 1)[0])


class Http2Client(Client):
    """Keeps ``streams`` requests in flight; those without ``body`` go to ``PATHS`` in turn. Anything but
    :status 200 (and grpc-status 0, when ``body`` makes it a call) is an error, and so is every frame that is
    not part of a response."""

    def __init__(self, answered: Callable[[float], None], fields: Fields, body: bytes, streams: int) -> None:
        super().__init__(answered)
        self._blocks = Blocks(fields)
        self._paths = [path_field(path.encode()) for path in PATHS]
        self._body = body
        self._streams = streams
        self._next = 1
        self._sent: dict[int, float] = {}
        self._frames = Frames()
        self._decoder = Decoder()

    def start(self) -> None:
        self.transport.write(PREFACE + opening() + b"".join(self._request() for _ in range(self._streams)))

    def _request(self) -> bytes:
        stream, self._next = self._next, self._next + 2
        self._sent[stream] = time.perf_counter()
        if not self._body:
            path = self._paths[stream // 2 % len(self._paths)]
            return frame(HEADERS, END_HEADERS | END_STREAM, stream, path + self._blocks.next())
        head = frame(HEADERS, END_HEADERS, stream, self._blocks.next())
        return head + frame(DATA, END_STREAM, stream, self._body)

    def data_received(self, data: bytes) -> None:
        written = bytearray()
        for kind, flags, stream, payload in self._frames.feed(data):
            ended = kind in (HEADERS, DATA) and bool(flags & END_STREAM)
            if kind == HEADERS:
                self._check(dict(self._decoder.decode(payload, raw=True)), ended)
            elif kind != DATA or (ended and self._body):
                self.errors += 1
            if ended:
                self.answered(time.perf_counter() - self._sent.pop(stream))
                if not self.stopped:
                    written += self._request()
        written += self._frames.answers
        self._frames.answers.clear()
        if written:
            self.transport.write(written)
        if self.stopped and not self._sent:
            self.transport.close()

    def _check(self, fields: dict[bytes, bytes], ended: bool) -> None:
        if ended and self._body:
            self.errors += fields.get(b"grpc-status") != b"0" or len(fields) != 1
        else:
            self.errors += fields.get(b":status") != b"200" or b"content-type" not in fields
