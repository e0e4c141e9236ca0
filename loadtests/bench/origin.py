"""The server behind the sidecars: a fixed response for each request, as cheaply as Python can.

    BIND_ADDRESS=127.0.0.1 PORTS=9080:http:200,9083:grpc:200 python -m loadtests.bench.origin

Each port has a kind and the bytes of its responses' bodies: ``http`` answers HTTP/1.1 and HTTP/2, ``grpc``
adds the trailers of a gRPC response (and still answers HTTP/1.1, for whoever asks whether it is up).
It only finds the end of each HTTP/1.1 request's head (the load sends no bodies there), so that the origin's
own cost stays far below the sidecar's and never becomes what is measured.
"""

from __future__ import annotations

import asyncio
import os
from typing import Protocol, cast

import uvloop

from loadtests.bench.h2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PREFACE,
    Blocks,
    Frames,
    frame,
    grpc_message,
    opening,
)

HEAD_END = b"\r\n\r\n"
_HEAD, _TRAILERS = 0, 1


class Answers(Protocol):
    def feed(self, data: bytes) -> bytes:
        """What there is to write, now that ``data`` has arrived."""
        ...


def response(body_bytes: int) -> bytes:
    """The whole HTTP/1.1 response, head and body."""
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
        f"content-length: {body_bytes}\r\ncache-control: no-store\r\n\r\n"
    )
    return head.encode() + b"x" * body_bytes


class Http1Answers:
    """As many responses as heads have ended in what arrived."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._pending = b""

    def feed(self, data: bytes) -> bytes:
        data = self._pending + data
        heads = data.count(HEAD_END)
        self._pending = data[data.rindex(HEAD_END) + len(HEAD_END) :] if heads else data
        return self._answer * heads


class Http2Answers:
    """A response to each stream as the client ends it."""

    def __init__(self, grpc: bool, body_bytes: int) -> None:
        kind = b"application/grpc" if grpc else b"application/octet-stream"
        head = [(b":status", b"200"), (b"content-type", kind)]
        self._blocks = Blocks(head, [(b"grpc-status", b"0")]) if grpc else Blocks(head)
        self._has_trailers = grpc
        self._body = grpc_message(body_bytes) if grpc else b"x" * body_bytes
        self._frames = Frames()
        self._start = len(PREFACE)  # bytes of it still to come

    def feed(self, data: bytes) -> bytes:
        written = bytearray()
        if self._start:
            skipped = min(self._start, len(data))
            written += opening() if self._start == len(PREFACE) else b""
            self._start -= skipped
            data = data[skipped:]
        for kind, flags, stream, _ in self._frames.feed(data):
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                written += self._response(stream)
        written += self._frames.answers
        self._frames.answers.clear()
        return bytes(written)

    def _response(self, stream: int) -> bytes:
        head = frame(HEADERS, END_HEADERS, stream, self._blocks.next(_HEAD))
        if not self._has_trailers:
            return head + frame(DATA, END_STREAM, stream, self._body)
        trailers = frame(HEADERS, END_HEADERS | END_STREAM, stream, self._blocks.next(_TRAILERS))
        return head + frame(DATA, 0, stream, self._body) + trailers


class OriginProtocol(asyncio.Protocol):
    """A connection, which its first bytes tell to be HTTP/2 or HTTP/1.1."""

    def __init__(self, kind: str, body_bytes: int) -> None:
        self._kind = kind
        self._body_bytes = body_bytes
        self._answers: Answers | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._answers is None:
            http2 = data.startswith(PREFACE[:3])
            self._answers = (
                Http2Answers(self._kind == "grpc", self._body_bytes)
                if http2
                else Http1Answers(response(self._body_bytes))
            )
        if written := self._answers.feed(data):
            self._transport.write(written)


async def serve(address: str, ports: str) -> None:
    """Serve ``NUMBER:KIND:BODY_BYTES,...`` until cancelled."""
    loop = asyncio.get_running_loop()
    servers = []
    for words in ports.split(","):
        number, kind, size = words.split(":")
        servers.append(
            await loop.create_server(
                lambda kind=kind, size=int(size): OriginProtocol(kind, size),  # type: ignore[misc]
                address,
                int(number),
            )
        )
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    uvloop.run(serve(os.environ["BIND_ADDRESS"], os.environ["PORTS"]))
