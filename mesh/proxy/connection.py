"""A client's HTTP/1.1 connection: its requests one after the other, each an ``Exchange``.

    bytes -> RequestParser -> requests[0] is in hand, the others wait their turn (pipelining)

Flow control: we stop reading when the upstream is full, when too much is held, or while requests wait; the
exchange stops the upstream when the client does not take more.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

from mesh.http.errors import Http2Preface, RequestError
from mesh.http.h2.frames import PREFACE
from mesh.http.message import Framing, Request, Response
from mesh.http.request_parser import RequestParser
from mesh.http.serialize import CONTINUE, chunk, last_chunk
from mesh.proxy.connection_info import ConnectionInfo
from mesh.proxy.exchange import Exchange
from mesh.proxy.heads import frame_response, make_response_head
from mesh.proxy.http2_connection import Http2Connection
from mesh.proxy.reply import HEAD_TIMEOUT, Reply, reply_to_bad_request

if TYPE_CHECKING:
    from mesh.proxy.chain import RuntimeChain
    from mesh.proxy.http_manager import HttpManager

# How long the rest of a refused request is read and dropped, so that the answer is not lost to a reset.
LINGER_S = 1.0


class DownstreamConnection(asyncio.Protocol):
    """``draining``: the next response is the last. Its listener finds it in the chain's ``live``."""

    protocol = "HTTP/1.1"

    __slots__ = (
        "_broken",
        "_closing",
        "_head_awaited",
        "_paused",
        "_serving",
        "_write_paused",
        "chain",
        "draining",
        "exchange",
        "info",
        "last_active",
        "manager",
        "parser",
        "transport",
        "worker",
        "write",
    )

    def __init__(self, manager: HttpManager, info: ConnectionInfo, chain: RuntimeChain) -> None:
        self.manager = manager
        self.worker = manager.worker
        self.info = info
        self.chain = chain
        self.parser = RequestParser(
            manager.max_header_bytes,
            manager.protocols,
            manager.enable_trailers,
            manager.model.accept_http_10,
        )
        self.exchange: Exchange | None = None
        self.draining = manager.worker.draining
        self.last_active = time.monotonic()
        self._broken: RequestError | None = None  # what ended the reading of requests
        self._closing = False
        self._head_awaited = 0.0  # since when, once it has been waited for
        self._paused = False
        self._serving = False
        self._write_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.write = self.transport.write
        self.chain.enter(self)
        stats = self.manager.stats
        stats.cx_total.value += 1
        stats.cx_active.value += 1

    def data_received(self, data: bytes) -> None:
        if self._closing or self._broken is not None:
            return
        exchange = self.exchange
        if exchange is None:
            self._parse(data)
            self._serve()
            if self.exchange is None and self.parser.in_message:
                self._wait_for_head()
            return
        was_complete = exchange.request.complete
        self._parse(data)
        if not was_complete:
            exchange.request_arrived()
            self._check_body(exchange)
        if len(self.parser.requests) > 1:
            self.pause_reading()

    def _wait_for_head(self) -> None:
        """Some of a head is there: the rest is not waited for for ever."""
        limit_s, since = self.manager.model.request_headers_timeout_s, self.last_active
        if limit_s and self._head_awaited != since:
            self._head_awaited = since
            self.worker.timers.after(limit_s, lambda: self._head_is_late(since))

    def _head_is_late(self, since: float) -> None:
        if self.last_active == since and self.exchange is None and not self._closing:
            self._answer(HEAD_TIMEOUT)

    def _parse(self, data: bytes) -> None:
        try:
            self.parser.receive_data(data)
        except Http2Preface as preface:
            if self.exchange is None:
                self._become_http2(PREFACE[: preface.taken] + data)
                return
            self._broken = preface
        except RequestError as error:
            self._broken = error

    def _become_http2(self, data: bytes) -> None:
        """The client has prior knowledge (RFC 9113 section 3.3): hand over to the other protocol."""
        stats = self.manager.stats
        stats.cx_total.value -= 1
        stats.cx_active.value -= 1
        self.chain.leave(self)
        self._closing = True
        self.parser.close()
        other = Http2Connection(self.manager, self.info, self.chain)
        self.transport.set_protocol(other)
        other.connection_made(self.transport)
        other.data_received(data)

    def _check_body(self, exchange: Exchange) -> None:
        """A body that breaks the rules ends its exchange."""
        if self._broken is not None and not exchange.request.complete and not exchange.is_finished:
            self.manager.stats.protocol_error.value += 1
            exchange.break_off(reply_to_bad_request(self._broken))

    def _serve(self) -> None:
        """Begin the next requests, as long as they are answered at once."""
        if self._serving:
            return
        self._serving = True
        requests = self.parser.requests
        while requests and not self._closing and not self._write_paused:
            exchange = self.exchange = Exchange(self, requests[0])
            exchange.begin()
            if self._broken is not None:
                self._check_body(exchange)
            if not exchange.is_finished:
                break
        self._serving = False
        if self.exchange is None and not self._closing:
            if self._broken is not None and not requests:
                self._refuse(self._broken)
            elif self._paused and not requests:
                self.resume_reading()
            elif self.draining and not requests and not self.parser.in_message:
                self.close()

    # what an exchange sends

    def send_continue(self) -> None:
        self.write(CONTINUE)

    def send_head(self, exchange: Exchange, response: Response) -> None:
        """A response's head, with what there is of its body, in one write."""
        if response.framing is not Framing.LENGTH:
            frame_response(exchange, response)
        head = make_response_head(exchange, response.fields, response)
        exchange.header_bytes_sent = len(head)
        self.write(head + _take_body(exchange, response))

    def send_body(self, exchange: Exchange, response: Response) -> None:
        """More of the body, or its end."""
        body = _take_body(exchange, response)
        if body:
            self.write(body)

    def exchange_done(self, exchange: Exchange, now: float) -> None:
        """The response is written; the connection is free for the next request, or has to go."""
        self.exchange = None
        self.last_active = now
        if self._closing:
            return
        requests = self.parser.requests
        requests.popleft()
        if exchange.keep_alive and exchange.request.complete:
            if requests or self._paused or self.draining or self._broken is not None:
                self._serve()
            return
        self._finish_writing(linger=not exchange.request.complete)

    def _refuse(self, error: RequestError) -> None:
        """What came is no request: say so, hear no more. It is counted and logged as one, as Envoy does."""
        self.manager.stats.protocol_error.value += 1
        self._answer(reply_to_bad_request(error))

    def _answer(self, reply: Reply) -> None:
        """To what never became a request."""
        self._begin_nothing().reply(reply)

    def _begin_nothing(self) -> Exchange:
        nothing = Request(b"", b"", b"", {}, [], Framing.NONE, False)
        self.parser.requests.append(nothing)
        exchange = self.exchange = Exchange(self, nothing)
        return exchange

    # closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self.transport.close()

    def abort_after_write(self) -> None:
        """Close without the end that the framing promised, so that the client sees a broken response."""
        self._closing = True
        if self.transport.get_write_buffer_size():
            self.transport.close()
        else:
            self.transport.abort()

    def _finish_writing(self, linger: bool) -> None:
        """Close once all is written. With unread input a plain close would reset what was just sent."""
        self._closing = True
        if not linger:
            self.transport.close()
            return
        if self._paused:
            self.transport.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.worker.timers.after(LINGER_S, self.transport.abort)

    def eof_received(self) -> bool:
        """The client has closed its side: as Envoy, we take that for gone."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Who leaves in the middle of a head is counted and logged as a request, as Envoy does."""
        was_open, self._closing = not self._closing, True
        self.chain.leave(self)
        self.manager.stats.cx_active.value -= 1
        if self.exchange is not None:
            self.exchange.client_gone()
        elif was_open and self._broken is None and self.parser.in_message:
            self._begin_nothing().client_gone()
        self.parser.close()

    def adopt(self, chain: RuntimeChain, manager: HttpManager) -> None:
        """Go on under a new configuration: the next request is the first to know it."""
        self.chain, self.manager = chain, manager

    def drain(self) -> None:
        """Finish what is in hand, then close."""
        self.draining = True
        if self.exchange is None and not self.parser.in_message:
            self.close()

    def ask_to_leave(self) -> None:
        self.drain()

    def close_idle(self, now: float) -> None:
        if self.exchange is None and now - self.last_active > self.manager.idle_timeout_s:
            self.close()

    # flow control

    def pause_reading(self) -> None:
        if not self._paused and not self._closing:
            self._paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._paused and not self._closing and len(self.parser.requests) <= 1:
            self._paused = False
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        self._write_paused = True
        if self.exchange is not None:
            self.exchange.hold_response()

    def resume_writing(self) -> None:
        self._write_paused = False
        if self.exchange is not None:
            self.exchange.resume_response()
        elif not self._closing:
            self._serve()


def _take_body(exchange: Exchange, response: Response) -> bytes:
    """What has arrived of it, framed."""
    body = response.take_body()
    exchange.bytes_sent += len(body)
    if exchange.is_chunked:
        body = chunk(body)
        if response.complete:
            body += last_chunk(response.trailers if exchange.manager.enable_trailers else ())
    return body
