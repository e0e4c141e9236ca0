"""The origin when it is spoken to in HTTP/2: each stream is a request, and has a script of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from differ import http2_wire as wire
from differ.case import OK, Do, Hear, Pause, Reply, Step, reply
from differ.http2_wire import Arrived, Frame
from differ.wire import Malformed, Message

if TYPE_CHECKING:
    from differ.origin import Origin

OK_HTTP2 = reply(
    wire.headers(None, wire.block((":status", "200"), ("content-length", "2")), end=False),
    wire.data(None, b"ok", end=True),
)


# Envoy gives all of these for streams that it wants no more of
_REASONS = {"NO_ERROR": "CANCEL", "INTERNAL_ERROR": "CANCEL"}


@dataclass(slots=True)
class _Request:
    message: Message
    reply: Reply
    act: asyncio.Task[None] | None = None
    echoes: bool = False


class Http2Serving:
    """One connection of the proxy's; its preface is read as far as its first empty line."""

    def __init__(self, origin: Origin, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._origin = origin
        self._stream = reader
        self._writer = writer
        self._reader = wire.Reader(reader)
        self._requests: dict[int, _Request] = {}
        self._progress = asyncio.Condition()
        self._pings = self._pongs = 0
        self._ended = False

    async def serve(self) -> None:
        """Until the connection ends. Raises Malformed."""
        if await self._stream.readexactly(6) != b"SM\r\n\r\n":
            raise Malformed("not the preface of HTTP/2")
        try:
            for step in self._origin.greeting:
                await self._step(step, None)
            while (frame := await self._reader.read()) is not None:
                self._take(frame)
                await self._tell()
        finally:
            self._ended = True
            await self._tell()
            acts = [request.act for request in self._requests.values() if request.act is not None]
            for act in acts:
                act.cancel()
            await asyncio.gather(*acts, return_exceptions=True)

    async def sync(self) -> None:
        """Until all that the proxy has sent by now is read."""
        self._pings += 1
        awaited = self._pings
        self._send(wire.ping(b"origin  "), None)
        await self._until(lambda: self._pongs >= awaited)

    async def _tell(self) -> None:
        async with self._progress:
            self._progress.notify_all()

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with self._progress:
            await self._progress.wait_for(lambda: self._ended or condition())

    def _send(self, frame: Frame, stream: int | None) -> None:
        self._reader.windows.sent(frame, stream)
        self._writer.write(frame.encode(stream))

    # what the proxy sends

    def _take(self, frame: Arrived) -> None:
        match frame.kind:
            case wire.HEADERS | wire.DATA:
                self._take_message(frame)
            case wire.RST_STREAM:
                self._take_reset(frame)
            case wire.SETTINGS if not frame.flags & wire.ACK:
                self._send(wire.settings(ack=True), None)
            case wire.PING if frame.flags & wire.ACK:
                self._pongs += 1
            case wire.PING:
                self._send(wire.ping(frame.payload, ack=True), None)

    def _take_reset(self, frame: Arrived) -> None:
        """Whether an unanswered request came at all before it was given up, is a matter of time."""
        request = self._requests.get(frame.stream)
        if request is not None and request.act is not None:
            self._origin.resets.append(_REASONS.get(frame.code, frame.code))
            request.act.cancel()

    def _take_message(self, frame: Arrived) -> None:
        request = self._requests.get(frame.stream)
        if request is None:
            message = _head(frame)
            given = self._origin.arrived(message)
            request = self._requests[frame.stream] = _Request(message, OK_HTTP2 if given is OK else given)
        elif request.message.complete:
            raise Malformed(f"a frame on stream {frame.stream}, which it has ended")
        elif frame.kind == wire.HEADERS:
            request.message.trailers = frame.fields
        else:
            request.message.body += frame.payload
            if request.echoes:
                self._send(wire.data(frame.stream, frame.payload, end=frame.ends), None)
        request.message.complete = frame.ends
        if request.act is None and (frame.ends or request.reply.early):
            request.act = asyncio.create_task(self._act(request, frame.stream))

    # what the script says

    async def _act(self, request: _Request, stream: int) -> None:
        for step in request.reply.steps:
            match step:
                case Hear():
                    count = step.count
                    await self._until(lambda: len(request.message.body) >= count)  # noqa: B023
                case Do.ECHO:
                    request.echoes = True
                    if request.message.body:
                        self._send(wire.data(stream, request.message.body), None)
                case _:
                    await self._step(step, stream)

    async def _step(self, step: Step, stream: int | None) -> None:
        match step:
            case bytes():
                self._writer.write(step)
            case Frame():
                self._send(step, stream)
            case Pause():
                await asyncio.sleep(step.seconds)
            case Do.SYNC:
                await self.sync()
            case Do.RESET:
                self._writer.transport.abort()
            case Do.CLOSE:
                self._writer.close()
            case Do.HALF_CLOSE:
                self._writer.write_eof()


def _head(frame: Arrived) -> Message:
    """Raises Malformed: it is none, or it lacks what section 8.3.1 asks for."""
    if frame.kind != wire.HEADERS:
        raise Malformed(f"DATA on stream {frame.stream}, and no head")
    pseudo = dict(field for field in frame.fields if field[0].startswith(":"))
    if ":method" not in pseudo or not pseudo.keys() <= {
        ":method", ":scheme", ":authority", ":path", ":protocol"
    }:  # fmt: skip
        raise Malformed(f"not the head of a request: {frame.fields}")
    return Message(f"{pseudo[':method']} {pseudo.get(':path', '-')} HTTP/2", frame.fields)
