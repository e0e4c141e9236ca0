"""A client of HTTP/2 that sends a case's frames, reads what comes, finds out whether the connection lives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from differ import http2_wire as wire
from differ.case import Case, Do, Pause, Step, Upon
from differ.client import AFTERWARDS_S, PATIENCE_S, PROBE_HOST, Heard, leave
from differ.http2_wire import Arrived, Frame
from differ.origin import HOST
from differ.wire import Malformed, Message

_PROBE_STREAM = 0xFFFFF  # above those of any case
_PROBE = wire.headers(
    _PROBE_STREAM,
    wire.block(
        (":method", "GET"), (":scheme", "http"), (":path", "/differ-probe"), (":authority", PROBE_HOST)
    ),
)


class Http2Client:
    """Acknowledges settings and pings by itself; windows are the script's."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.heard = Heard()
        self._streams: dict[int, Message] = {}
        self._probed = False
        self._pings = 0
        self._pongs = 0
        self._progress = asyncio.Event()
        self._ended = False

    async def run(self, port: int) -> Heard:
        stream, self._writer = await asyncio.open_connection(HOST, port)
        self._reader = wire.Reader(stream)
        reading = asyncio.ensure_future(self._read())
        try:
            for step in self._case.client:
                await self._step(step)
            if self.heard.fate != "left":
                await self._until(self._has_its_answers, PATIENCE_S)
                await self._probe()
        except OSError:
            self.heard.fate = "closed"
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            self._writer.transport.abort()
        self._streams.pop(_PROBE_STREAM, None)
        self.heard.responses = [message for _, message in sorted(self._streams.items()) if message.start]
        return self.heard

    def _send(self, frame: Frame) -> None:
        self._reader.windows.sent(frame)
        self._write(frame.encode())

    def _write(self, sent: bytes) -> None:
        if not self._writer.transport.is_closing():
            self._writer.write(sent)

    async def _step(self, step: Step) -> None:
        match step:
            case bytes():
                self._write(step)
            case Frame():
                self._send(step)
            case Pause():
                await asyncio.sleep(step.seconds)
            case Upon():
                await self._until(lambda: self._has(step), PATIENCE_S)
            case Do.SYNC:
                self._pings += 1
                self._send(wire.ping(b"differ  "))
                await self._until(lambda: self._pongs >= self._pings, PATIENCE_S)
            case Do.HALF_CLOSE:
                self._half_close()
            case _:
                self.heard.fate = "left"
                leave(self._writer, reset=step is Do.RESET)
        with suppress(OSError):
            await self._writer.drain()

    def _half_close(self) -> None:
        with suppress(OSError):  # it may be closed by now
            self._writer.write_eof()

    async def _until(self, condition: Callable[[], bool], patience_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while not (self._ended or condition()):
                    self._progress.clear()
                    await self._progress.wait()

    def _has(self, what: Upon) -> bool:
        message = self._streams.get(what.stream)
        if what.over:
            return self._is_over(what.stream)
        return message is not None and bool(message.start) and len(message.body) >= what.count

    def _is_over(self, stream: int) -> bool:
        message = self._streams.get(stream)
        return stream in self.heard.resets or (message is not None and message.complete)

    def _has_its_answers(self) -> bool:
        return len({number for number in self._streams if self._is_over(number)}) >= self._case.responses

    async def _probe(self) -> None:
        """One more request: answered as such, it proves that both sides still agree on everything."""
        if not self._ended:
            self._send(_PROBE)
            await self._until(lambda: self._is_over(_PROBE_STREAM), AFTERWARDS_S)
        self._probed = _PROBE_STREAM in self._streams and self._streams[_PROBE_STREAM].complete
        refused = self.heard.resets.pop(_PROBE_STREAM, None) is not None
        self.heard.fate = (
            "kept" if self._probed else "closed" if self._ended else "refused" if refused else "stuck"
        )

    async def _read(self) -> None:
        try:
            while (frame := await self._reader.read()) is not None:
                self._take(frame)
                self._progress.set()
        except Malformed as malformed:
            self.heard.garbage = str(malformed)
        except OSError:
            pass
        finally:
            self._ended = True
            self._progress.set()

    def _take(self, frame: Arrived) -> None:
        match frame.kind:
            case wire.HEADERS | wire.DATA:
                self._take_message(frame)
            case wire.RST_STREAM:
                self.heard.resets[frame.stream] = frame.code
                self._streams.setdefault(frame.stream, Message("", []))
            case wire.SETTINGS if not frame.flags & wire.ACK:
                self._send(wire.settings(ack=True))
            case wire.PING if frame.flags & wire.ACK:
                self._pongs += 1
            case wire.PING:
                self._send(wire.ping(frame.payload, ack=True))
            case wire.GOAWAY:
                self.heard.goaways.append(frame.code)
                if frame.code != "NO_ERROR":
                    self._half_close()  # or else Envoy lingers

    def _take_message(self, frame: Arrived) -> None:
        message = self._streams.setdefault(frame.stream, Message("", []))
        if message.complete:
            raise Malformed(f"a frame on stream {frame.stream}, which it has ended")
        if frame.kind == wire.DATA:
            if not message.start:
                raise Malformed(f"DATA on stream {frame.stream}, and no head")
            message.body += frame.payload
        elif message.start:
            message.trailers = frame.fields
        else:
            self._take_head(message, frame)
        message.complete = frame.ends

    def _take_head(self, message: Message, frame: Arrived) -> None:
        if not frame.fields or frame.fields[0][0] != ":status":
            raise Malformed(f"not the head of an answer: {frame.fields}")
        status = frame.fields[0][1]
        if status.startswith("1"):
            self.heard.interim.append(int(status))
        else:
            message.start, message.fields = f"HTTP/2 {status}", frame.fields[1:]
