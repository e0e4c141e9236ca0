"""The server behind the sidecars: a fixed response for each request, as cheaply as Python can.

    BIND_ADDRESS=127.0.0.1 PORT=9080 BODY_BYTES=200 python -m loadtests.bench.origin

It only finds the end of each request's head (the load sends no bodies), so that the origin's own cost
stays far below the sidecar's and never becomes what is measured.
"""

from __future__ import annotations

import asyncio
import os
from typing import cast

import uvloop

HEAD_END = b"\r\n\r\n"


def response(body_bytes: int) -> bytes:
    """The whole response, head and body."""
    head = (
        "HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n"
        f"content-length: {body_bytes}\r\ncache-control: no-store\r\n\r\n"
    )
    return head.encode() + b"x" * body_bytes


class OriginProtocol(asyncio.Protocol):
    """Answers as many responses as heads have ended in what arrived."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._pending = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._pending + data
        heads = data.count(HEAD_END)
        if heads:
            self._transport.write(self._answer * heads)
            data = data[data.rindex(HEAD_END) + len(HEAD_END) :]
        self._pending = data


async def serve(address: str, port: int, body_bytes: int) -> None:
    answer = response(body_bytes)
    server = await asyncio.get_running_loop().create_server(lambda: OriginProtocol(answer), address, port)
    await server.serve_forever()


if __name__ == "__main__":
    env = os.environ
    uvloop.run(serve(env["BIND_ADDRESS"], int(env.get("PORT", "9080")), int(env.get("BODY_BYTES", "200"))))
