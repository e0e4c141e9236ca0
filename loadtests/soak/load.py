"""Clients that give each request a number and keep what came of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import count
from random import Random

from loadtests.soak.origin import answer_to

ANSWER_TIMEOUT_S = 20.0  # much longer than the route's own; an answer that comes later counts as lost
_POST_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Answer:
    """``status`` 0: none came in time. ``intact``: a 200's body was the one of this request.
    ``cut``: it ended before it was whole, as it must when the origin dies meanwhile.
    """

    number: int
    method: str
    status: int
    intact: bool = True
    cut: bool = False


class Load:
    """``workers`` clients, each with one connection at a time, until ``stop``."""

    def __init__(self, address: tuple[str, int], authority: str, workers: int, rng: Random) -> None:
        self.answers: list[Answer] = []
        self._address = address
        self._authority = authority
        self._workers = workers
        self._rng = rng
        self._numbers = count(1)
        self._stopping = False

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._work())

    def stop(self) -> None:
        """Each client ends with the answer it waits for."""
        self._stopping = True

    async def _work(self) -> None:
        while not self._stopping:
            reader, writer = await asyncio.open_connection(*self._address)
            try:
                while not self._stopping and await self._ask(reader, writer):
                    pass
            finally:
                writer.close()

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether the connection can carry another."""
        number = next(self._numbers)
        method = "POST" if self._rng.random() < _POST_SHARE else "GET"
        body = b"y" * (number % 5000) if method == "POST" else b""
        head = (
            f"{method} /{number} HTTP/1.1\r\nhost: {self._authority}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        status = 0
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                writer.write(head.encode() + body)
                status, fields = await _read_head(reader)
                came = await _read_body(reader, fields)
        except TimeoutError:
            self.answers.append(Answer(number, method, 0))
            return False
        except (OSError, EOFError):
            self.answers.append(Answer(number, method, status, cut=status > 0))
            return False
        self.answers.append(Answer(number, method, status, status != 200 or came == answer_to(number)))
        return fields.get("connection") != "close"


async def _read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """The status and the fields, names in lower case. Raises EOFError."""
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    return int(lines[0].split(" ")[1]), dict(line.lower().split(": ", 1) for line in lines[1:-2])


async def _read_body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    """Raises EOFError when it is cut."""
    if fields.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(fields["content-length"]))
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body
