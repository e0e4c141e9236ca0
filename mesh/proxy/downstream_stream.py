"""A client's HTTP/2 stream: to its exchange what a client's HTTP/1.1 connection is."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mesh.http.errors import RequestError
from mesh.http.h2.connection import Connection
from mesh.http.h2.errors import Code, ConnectionFault, StreamFault
from mesh.http.h2.messages import response_block, trailers_block
from mesh.http.h2.stream import Stream
from mesh.http.message import Framing, Message, Request, Response, Trailers
from mesh.http.status import NO_BODY
from mesh.proxy.exchange import Exchange
from mesh.proxy.grpc import is_grpc
from mesh.proxy.grpc_messages import GrpcBody
from mesh.proxy.heads import complete_response
from mesh.proxy.reply import reply_to_bad_request
from mesh.proxy.stream_idle import watch_flush

if TYPE_CHECKING:
    from mesh.proxy.http2_connection import Http2Connection

_CONTINUE = response_block(100, {}, [])


class DownstreamStream(Stream):
    """``exchange`` is None once it is done; the end of its response may still wait for the window."""

    __slots__ = ("_begun", "exchange", "info", "manager", "owner", "worker")

    protocol = "HTTP/2"

    def __init__(self, owner: Http2Connection, connection: Connection, stream_id: int) -> None:
        super().__init__(connection, stream_id)
        self.owner = owner
        self.info = owner.info
        self.manager = owner.manager
        self.worker = owner.worker
        self.exchange: Exchange | None = None
        self._begun = False

    @property
    def draining(self) -> bool:
        return self.owner.draining

    # what the client sends

    def head_received(self, message: Message) -> None:
        self.exchange = Exchange(self, cast("Request", message))
        self.connection.arrivals[self] = None

    def data_received(self, data: bytes, end: bool) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        request = exchange.request
        if data:
            request.chunks.append(data)
        if end:
            request.complete = True
        self.connection.arrivals[self] = None

    def trailers_received(self, trailers: Trailers) -> None:
        exchange = self.exchange
        if exchange is not None:
            exchange.request.trailers = trailers
            self.data_received(b"", True)

    def arrived(self) -> None:
        exchange = self.exchange
        if exchange is None:
            return
        if self._begun:
            exchange.request_arrived()
        else:
            self._begun = True
            exchange.begin()

    def request_refused(self, error: RequestError) -> None:
        """What came is no request we take: say so. It is counted and logged as one, as Envoy does."""
        self.manager.stats.protocol_error.value += 1
        self._begin_nothing().reply(reply_to_bad_request(error))

    def _begin_nothing(self) -> Exchange:
        nothing = Request(b"", b"", b"", {}, [], Framing.NONE, False)
        exchange = self.exchange = Exchange(self, nothing)
        return exchange

    def reset_received(self, code: int) -> None:
        if self.exchange is not None:
            self.exchange.client_gone("DR", "http2.remote_reset")

    def connection_lost(self, fault: ConnectionFault | None) -> None:
        """``fault``: why we closed it."""
        if self.exchange is None:
            return
        if fault is not None:
            self.exchange.client_gone("DPE", fault.detail)
        else:
            self.exchange.client_gone()

    def failed(self, fault: StreamFault) -> None:
        """What is no request at all is counted and logged too, as one without an answer."""
        self.manager.stats.protocol_error.value += 1
        exchange = self.exchange if self.has_head else self._begin_nothing()
        if exchange is not None:
            exchange.client_gone("DPE", fault.detail)

    # what the exchange sends

    def send_continue(self) -> None:
        self.connection.send_head(self, _CONTINUE, False)

    def send_head(self, exchange: Exchange, response: Response) -> None:
        """A response's head, with what there is of its body."""
        complete_response(exchange, response.fields, response)
        status = exchange.status
        if status == 101:
            status = 200  # RFC 8441 section 4: to a CONNECT any 2xx agrees
        elif status in NO_BODY:
            response.fields.pop(b"transfer-encoding", None)
            if response.status == 204:
                response.fields.pop(b"content-length", None)
        elif b"grpc-status" in response.fields:
            response.fields.pop(b"content-length", None)  # only a head: gRPC has no other length
        elif response is exchange.replied and not response.chunks and exchange.request.method != b"HEAD":
            response.fields.pop(b"content-length", None)  # of 0: the end of the stream says it
        if isinstance(exchange.body, GrpcBody):
            exchange.body.is_answered = status == 200 and is_grpc(response.fields.get(b"content-type"))
        block = response_block(status, response.fields, response.repeats)
        exchange.header_bytes_sent = len(block)
        if not response.complete:
            self.connection.send_head(self, block, False)
            if response.chunks:
                self.send_body(exchange, response)
            return
        trailers = trailers_block(response.trailers) if response.trailers else b""
        self.connection.send_message(self, block, self._take_body(exchange, response), trailers)

    def send_body(self, exchange: Exchange, response: Response) -> None:
        """More of the body, or its end."""
        data = self._take_body(exchange, response)
        trailers = response.trailers if response.complete else ()
        end = response.complete and not trailers
        if data or end:
            self.connection.send_data(self, data, end)
        if trailers:
            self.connection.send_trailers(self, trailers_block(trailers))

    def _take_body(self, exchange: Exchange, response: Response) -> bytes:
        data = response.take_body()
        exchange.bytes_sent += len(data)
        body = exchange.body
        if isinstance(body, GrpcBody) and body.is_answered:
            body.responses.receive(data)
        return data

    def abort_after_write(self) -> None:
        """The response cannot be completed, and the client must see it."""
        self.connection.reset(self, Code.INTERNAL_ERROR)

    def exchange_done(self, exchange: Exchange, now: float) -> None:
        self.exchange = None
        self.is_paused = False  # what still comes is dropped
        self.owner.stream_done(now)
        if not self.local_open:
            self.end_sent()
        elif self.manager.stream_idle_timeout_s:
            watch_flush(self, self.manager.stream_idle_timeout_s)

    def end_sent(self) -> None:
        """The client need not send the rest of its request (RFC 9113 section 8.1)."""
        if self.exchange is None and self.remote_open:
            self.connection.reset(self, Code.NO_ERROR)

    # flow control

    def blocked(self) -> None:
        if self.exchange is not None:
            self.exchange.hold_response()

    def writable(self) -> None:
        if self.exchange is not None:
            self.exchange.resume_response()
