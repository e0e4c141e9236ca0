"""A server that writes down what it gets and answers as the case says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from differ.case import GREETING, OK, Case, Do, Pause, Reply, Step
from differ.http2_origin import Http2Serving
from differ.wire import LIMIT, PRIOR_KNOWLEDGE, Malformed, Message, read_head, read_request_body

BARRIER = "/differ-barrier"  # requests the harness sends to be sure that all before is over
HOST = "127.0.0.1"


@dataclass(slots=True)
class _Live:
    """A connection; ``held``: the script said to say nothing more on it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    held: bool = False
    http2: Http2Serving | None = None


class Origin:
    """Speaks HTTP/1.1, and HTTP/2 to whoever begins with it. ``requests``, ``garbage`` and
    ``resets`` (codes of the proxy's, in HTTP/2) are of the case at hand, which ``begin`` starts.
    """

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[Message] = []
        self.garbage: list[str] = []
        self.resets: list[str] = []
        self.greeting: tuple[Step, ...] = GREETING
        self.connections = 0
        self._replies: tuple[Reply, ...] = (OK,)
        self._answered = 0
        self._live: dict[asyncio.Task[None], _Live] = {}
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, 0, limit=LIMIT)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        for task in list(self._live):
            task.cancel()
        await asyncio.gather(*self._live, return_exceptions=True)
        if self._server is not None:
            self._server.close()

    def begin(self, case: Case) -> None:
        self.requests, self.garbage, self.resets = [], [], []
        self.connections = self._answered = 0
        self._replies, self.greeting = case.replies, case.greeting

    def arrived(self, message: Message) -> Reply:
        """One more request: what to answer."""
        self.requests.append(message)
        self._answered += 1
        return self._replies[min(self._answered, len(self._replies)) - 1]

    @property
    def _serving(self) -> list[Http2Serving]:
        return [live.http2 for live in self._live.values() if live.http2 is not None]

    @property
    def speaks_http2(self) -> bool:
        return bool(self._serving)

    async def sync(self) -> None:
        """Until what the proxy has sent in HTTP/2 is read."""
        await asyncio.gather(*(serving.sync() for serving in self._serving))

    def release(self) -> None:
        """Drop the connections that a script left hanging: the next case must not get one of them."""
        for live in self._live.values():
            if live.held or live.http2 is not None:
                live.writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        live = self._live[task] = _Live(reader, writer)
        self.connections += 1
        try:
            while await self._exchange(reader, live):
                pass
        except Malformed as malformed:
            self.garbage.append(str(malformed))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            del self._live[task]
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, live: _Live) -> bool:
        message = await read_head(reader)
        if message is None:
            return False
        if message.start == PRIOR_KNOWLEDGE:
            live.http2 = Http2Serving(self, reader, live.writer)
            await live.http2.serve()
            return False
        if message.start.split(" ")[1].startswith(BARRIER):
            await self._act(OK.steps, live)
            return True
        reply = self.arrived(message)
        goes_on = not reply.early or await self._act(reply.steps, live)
        await read_request_body(reader, message)
        if not message.complete:
            return False
        return goes_on and (reply.early or await self._act(reply.steps, live))

    async def _act(self, steps: tuple[Step, ...], live: _Live) -> bool:
        """Whether the connection goes on."""
        writer = live.writer
        for step in steps:
            match step:
                case bytes():
                    writer.write(step)
                case Pause():
                    await asyncio.sleep(step.seconds)
                case Do.HANG:
                    live.held = True
                case Do.RESET:
                    writer.transport.abort()
                    return False
                case Do.ECHO:
                    while data := await live.reader.read(65536):
                        self.requests[-1].body += data
                        writer.write(data)
                    return False
                case _:
                    await writer.drain()
                    return False
        return True
