"""One connection to an endpoint: sends the request of its requester, gives it the response."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from mesh.http.errors import ResponseError
from mesh.http.message import Framing, Request
from mesh.http.response_parser import ResponseParser
from mesh.http.serialize import chunk, last_chunk, request_head
from mesh.proxy.failure import Failure, Kind, Stage

if TYPE_CHECKING:
    from mesh.proxy.ends import Requester
    from mesh.proxy.pool import Pool
    from mesh.proxy.request_body import RequestBody


class UpstreamConnection(asyncio.Protocol):
    """``requester`` None: idle. ``principal`` is the SPIFFE id its certificate showed, "" in plaintext."""

    __slots__ = (
        "_lost",
        "_paused",
        "expires_at",
        "idle_since",
        "local_address",
        "parser",
        "pool",
        "principal",
        "requester",
        "requests",
        "transport",
    )

    def __init__(self, pool: Pool, principal: str = "") -> None:
        self.pool = pool
        self.principal = principal
        self.parser = ResponseParser(pool.cluster.model.enable_trailers)
        self.requester: Requester | None = None
        self.requests = 0
        self.idle_since = 0.0
        self.expires_at = 0.0  # with a limit only
        self.local_address = ""
        self._lost = False
        self._paused = False
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        name = transport.get_extra_info("sockname")
        self.local_address = f"{name[0]}:{name[1]}" if name else ""

    def send_request(self, requester: Requester) -> None:
        """Send the head with what there is of the body, in one write."""
        self.requester = requester
        self.requests += 1
        request, body = requester.request, requester.body
        self.parser.expect(request.method, request.framing is Framing.TUNNEL)
        target = request.path or request.authority  # RFC 9112 section 3.2.3: CONNECT names nothing else
        data = request_head(request.method, target, request.fields, request.repeats)
        if body is not None and body.is_open:
            data += self._frame(request, body.sent_before() + body.take())
        self.transport.write(data)

    def send_body(self, requester: Requester, body: RequestBody) -> None:
        """Send what has arrived since; called once more with nothing when the body ends."""
        request = requester.request
        data = self._frame(request, body.take())
        if data:
            self.transport.write(data)
        if request.complete and request.framing is Framing.TUNNEL:
            self.transport.write_eof()

    def _frame(self, request: Request, data: bytes) -> bytes:
        """A piece of the body as it goes onto the wire, with the end when this was the last."""
        if request.framing is Framing.CHUNKED:
            data = chunk(data)
            if request.complete:
                data += last_chunk(request.trailers if self.parser.keeps_trailers else ())
        return data

    def data_received(self, data: bytes) -> None:
        requester = self.requester
        if requester is None:
            self.close()  # nobody asked: whatever it is, it must not become the next answer
            return
        parser = self.parser
        try:
            parser.receive_data(data)
        except ResponseError as error:
            self._fail(Kind.PROTOCOL_ERROR, error.detail)
            return
        if parser.response is not None:
            requester.response_arrived(parser.response)

    def eof_received(self) -> bool:
        requester, response = self.requester, self.parser.response
        if requester is not None and response is not None and self.parser.receive_eof():
            requester.response_arrived(response)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        if self.requester is not None:
            self.pool.cluster.stats.cx_destroy_with_active_rq.value += 1
            self._fail(Kind.PROTOCOL_ERROR if self._breaks_a_message() else Kind.CONNECTION_TERMINATION)
        self.parser.close()
        self.pool.lost(self)

    def _breaks_a_message(self) -> bool:
        """Whether the end of the connection comes where a message has begun and not ended."""
        response = self.parser.response
        return self.parser.in_head if response is None else response.framing is not Framing.TUNNEL

    def _fail(self, kind: Kind, reason: str = "") -> None:
        requester, self.requester = self.requester, None
        self.transport.abort()
        if requester is not None:
            stage = Stage.SEND if self.parser.response is None else Stage.RESPONSE
            requester.upstream_failed(Failure(kind, stage, False, reason, reused=self.requests > 1))

    def pause_writing(self) -> None:
        """It does not take more for now: then neither do we."""
        if self.requester is not None:
            self.requester.downstream.pause_reading()

    def resume_writing(self) -> None:
        if self.requester is not None:
            self.requester.downstream.resume_reading()

    def pause_reading(self) -> None:
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def release(self, now: float, reusable: bool) -> None:
        """The requester is done with it."""
        self.requester = None
        if self._paused:
            self.resume_reading()
        if reusable and not self.transport.is_closing():
            self.pool.give_back(self, now)
        else:
            self.close()

    def close(self) -> None:
        """Closing is final: nothing that arrives later is for anybody."""
        self.requester = None
        self.transport.close()
