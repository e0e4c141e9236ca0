"""A raw client: sends a case's bytes, reads what comes, finds out whether the connection lives on."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from differ.case import Case, Do, Hear, Pause, Step
from differ.origin import HOST
from differ.wire import LIMIT, Malformed, Message, read_head, read_response_body

PROBE_HOST = "differ.probe"  # the virtual host that answers directly, in every area
PROBE = f"GET /differ-probe HTTP/1.1\r\nhost: {PROBE_HOST}\r\n\r\n".encode()
PROBE_FIELD = ("x-differ", "probe")
PATIENCE_S = 1.5  # for an answer that is due
AFTERWARDS_S = 1.2  # for the answer to the probe, or the close: Envoy closes a lingering connection after 1 s

Fate = Literal["kept", "closed", "stuck", "left", "refused"]


@dataclass(slots=True)
class Heard:
    """What the client got. ``fate``: "left" is the client's own doing, "stuck" answers nothing more,
    "refused" only resets.
    """

    responses: list[Message] = field(default_factory=list)
    interim: list[int] = field(default_factory=list)
    fate: Fate = "stuck"
    garbage: str = ""
    resets: dict[int, str] = field(default_factory=dict)  # by stream, of HTTP/2
    goaways: list[str] = field(default_factory=list)


class Client:
    def __init__(self, case: Case) -> None:
        self._case = case
        self.heard = Heard()
        self._probed = False
        self._tunnel: Message | None = None  # the response that opened it
        self._progress = asyncio.Event()
        self._ended = False
        self._finished = 0  # responses read to their end, interim ones too
        self._taken = 0  # of these, how many the script waited for

    async def run(self, port: int) -> Heard:
        reader, writer = await asyncio.open_connection(HOST, port, limit=LIMIT)
        reading = asyncio.ensure_future(self._read(reader))
        try:
            for step in self._case.client:
                await self._step(step, writer)
            if self.heard.fate != "left":
                await self._until(self._has_its_answers, PATIENCE_S)
                await self._probe(writer)
        except ConnectionError:
            self.heard.fate = "closed"
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            writer.transport.abort()
        return self.heard

    async def _step(self, step: Step, writer: asyncio.StreamWriter) -> None:
        match step:
            case bytes():
                writer.write(step)
                with suppress(ConnectionError):
                    await writer.drain()
            case Pause():
                await asyncio.sleep(step.seconds)
            case Hear():
                await self._until(lambda: len(self.heard.responses[-1].body) >= step.count, PATIENCE_S)
            case Do.WAIT:
                seen = self._taken
                await self._until(lambda: self._finished > seen, PATIENCE_S)
                self._taken = self._finished
            case Do.HALF_CLOSE:
                writer.write_eof()
            case _:
                self.heard.fate = "left"
                leave(writer, reset=step is Do.RESET)

    async def _until(self, condition: object, patience_s: float) -> None:
        assert callable(condition)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not (self._ended or condition()):
                    self._progress.clear()
                    await self._progress.wait()

    async def _probe(self, writer: asyncio.StreamWriter) -> None:
        """One more request: answered as such, it proves that both sides agree where the last one ended."""
        if self._tunnel is not None:
            await self._until(lambda: False, AFTERWARDS_S)
        elif Do.HALF_CLOSE in self._case.client:
            await self._until(lambda: False, AFTERWARDS_S)
        elif not self._ended:
            writer.write(PROBE)
            if self._was_told_to_close():
                writer.write_eof()  # or else Envoy lingers for a second
            await self._until(lambda: self._probed, AFTERWARDS_S)
        self.heard.fate = "kept" if self._probed else "closed" if self._ended else "stuck"

    def _has_its_answers(self) -> bool:
        answers = self._finished - len(self.heard.interim)
        return answers >= self._case.responses or (
            answers == len(self.heard.responses) and self._was_told_to_close()
        )

    def _was_told_to_close(self) -> bool:
        responses = self.heard.responses
        return bool(responses) and "close" in responses[-1].values("connection")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while await self._read_response(reader):
                self._progress.set()
        except Malformed as malformed:
            self.heard.garbage = str(malformed)
        except ConnectionError:
            pass
        finally:
            self._ended = True
            self._progress.set()

    async def _read_tunnel(self, reader: asyncio.StreamReader, message: Message) -> bool:
        self._tunnel = message
        self._finished += 1
        self._progress.set()
        while data := await reader.read(65536):
            message.body += data
            self._progress.set()
        message.complete = True
        return False

    async def _read_response(self, reader: asyncio.StreamReader) -> bool:
        message = await read_head(reader)
        if message is None:
            return False
        if message.status < 200 and message.status != 101:
            self.heard.interim.append(message.status)
            self._finished += 1
            return True
        if PROBE_FIELD in message.fields:
            self._probed = True
            await read_response_body(reader, message, "GET")
            return True
        methods = self._case.request_methods
        self.heard.responses.append(message)
        method = methods[min(len(self.heard.responses), len(methods)) - 1]
        if message.status == 101 or (method == "CONNECT" and message.status // 100 == 2):
            return await self._read_tunnel(reader, message)
        await read_response_body(reader, message, method)
        self._finished += 1
        return message.complete


def leave(writer: asyncio.StreamWriter, *, reset: bool) -> None:
    if reset:
        linger = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    writer.close()
