from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from labs.harness import plaintext
from labs.harness.plaintext import Attempt

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
YES, NO, UNKNOWN = (
    Attempt("t:1", "answered", "HTTP/1.1 200"),
    Attempt("t:1", "refused", "x"),
    Attempt("t:1", "unknown", "y"),
)


async def attempt_on(handler: Handler, port: int) -> Attempt:
    async with await asyncio.start_server(handler, "127.0.0.1", port):
        return await plaintext.attempt(f"127.0.0.1:{port}", "/")


def closing_with(data: bytes) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        writer.close()

    return handler


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "answered"),
        (b"", "refused"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "refused"),
    ],
)
async def test_http_back_is_an_answer_and_anything_else_a_refusal(
    data: bytes, outcome: str, unused_tcp_port: int
) -> None:
    assert (await attempt_on(closing_with(data), unused_tcp_port)).outcome == outcome


async def test_a_port_nobody_listens_on_is_unknown(unused_tcp_port: int) -> None:
    assert (await plaintext.attempt(f"127.0.0.1:{unused_tcp_port}", "/")).outcome == "unknown"


@pytest.mark.parametrize(
    ("before", "after", "outcome"),
    [
        ([YES], [NO], "pass"),
        ([YES], [YES], "fail"),
        ([YES, YES], [NO, YES], "fail"),
        ([NO], [NO], "inconclusive"),
        ([UNKNOWN], [NO], "inconclusive"),
        ([YES], [UNKNOWN], "inconclusive"),
        ([], [], "inconclusive"),
    ],
)
def test_only_a_change_from_answered_to_refused_passes(
    before: list[Attempt], after: list[Attempt], outcome: str
) -> None:
    assert plaintext.refused("c", before, after).outcome == outcome
