"""Bytes of a server connection -> responses. httptools reads the grammar; framing doubts are errors.

The method of the request decides whether a body follows (HEAD), so the connection says it with ``expect``,
and whether the request was for a tunnel: the answer that agrees ends HTTP, and all that follows is its body.
Interim 1xx responses are swallowed: the proxy itself answers ``Expect: 100-continue``, as Envoy does.
"""

from __future__ import annotations

from typing import Any

import httptools

from mesh.http.errors import ResponseError
from mesh.http.fields import are_too_many, is_trailer
from mesh.http.message import MAX_FIELDS, Fields, Framing, Repeats, Response
from mesh.http.status import NO_BODY
from mesh.http.upgrade import CONNECT

MAX_HEADER_BYTES = 60 * 1024  # Envoy's default for responses too


class ResponseParser:
    """One for each server connection. ``response`` is the one being received, None before its head."""

    __slots__ = (
        "_error",
        "_fed",
        "_feed",
        "_fields",
        "_head_only",
        "_parser",
        "_repeats",
        "_tunnel_status",
        "in_head",
        "keeps_trailers",
        "response",
    )

    def __init__(self, keeps_trailers: bool = False) -> None:
        self.keeps_trailers = keeps_trailers
        self.response: Response | None = None
        self._fields: Fields = {}
        self._repeats: Repeats = []
        self._head_only = False
        self._tunnel_status = 0  # the hundreds of the status that agrees to a tunnel; 0: none was asked for
        self._fed = 0  # bytes since the request, or since more of the body came
        self.in_head = False
        self._error: ResponseError | None = None
        self._start_parser()

    def expect(self, method: bytes, for_tunnel: bool = False) -> None:
        """A request of this method has been sent: its response is next."""
        self.response = None
        self._fed = 0
        self.in_head = False
        self._head_only = method == b"HEAD"
        if for_tunnel:
            self._tunnel_status = 2 if method == CONNECT else 1

    def receive_data(self, data: bytes) -> None:
        """Read on, into ``response``. Raises ResponseError."""
        self._fed += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._enter_tunnel(data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            response = self.response
            if response is None or not (response.complete or self._head_only):
                raise self._error or ResponseError(f"http1.codec_error:{error}".replace(" ", "_")) from None
            response.keep_alive = False  # bytes after the end: what was complete stands, the connection goes
        if self.response is None:
            self.in_head = not data.endswith(b"\r\n\r\n")  # an interim response may just have ended
        elif self._head_only and not self.response.complete:
            self._end_of_head(data)
        if self._fed > MAX_HEADER_BYTES:  # of a head, of trailers, or of a chunk's extensions
            raise ResponseError("response_headers_too_large")

    def receive_eof(self) -> bool:
        """The server closed. True when that is how the response ends (a tunnel's end is the connection's)."""
        response = self.response
        if response is None or response.framing is not Framing.EOF or response.complete:
            return False
        response.complete = True
        return True

    def _start_parser(self) -> None:
        self._parser: Any = httptools.HttpResponseParser(self)
        self._feed: Any = self._parser.feed_data

    def close(self) -> None:
        """No more will come: httptools' parser and this one, which know each other, are let go of."""
        self._parser = self._feed = None

    # what httptools calls, in the order of the wire

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if self.response is not None:
            self._add_trailer(self.response, name, value)
            return
        if name in self._fields:
            self._repeats.append((name, value))
        else:
            self._fields[name] = value

    def on_headers_complete(self) -> None:
        fields, repeats = self._fields, self._repeats
        self._fields, self._repeats = {}, []
        parser = self._parser
        status: int = parser.get_status_code()
        if self.response is not None:
            self.response.keep_alive = False  # a second response nobody asked for
            return
        if status < 200:
            if status != 101:
                return
            if self._tunnel_status != 1:
                self._refuse("http1.unexpected_upgrade")
        framing = Framing.NONE if self._head_only else self._framing(status, fields)
        response = Response(status, fields, repeats, framing, parser.should_keep_alive())
        response.header_bytes = self._fed
        if repeats or self._fed > MAX_HEADER_BYTES or len(fields) > MAX_FIELDS:
            self._check(response)
        self.response = response

    def on_body(self, body: bytes) -> None:
        response = self.response
        if response is not None and not response.complete:  # after the end nobody asked for it
            if self._head_only:
                response.keep_alive = False  # nor for this
            else:
                response.chunks.append(body)
        self._fed = 0

    def on_message_complete(self) -> None:
        response = self.response
        if response is not None and response.framing is not Framing.TUNNEL:
            response.complete = True

    def _enter_tunnel(self, data: bytes) -> None:
        """After 101, which only a request for it gets this far."""
        self._feed = self._take_from_tunnel
        if data:
            self._take_from_tunnel(data)

    def _take_from_tunnel(self, data: bytes) -> None:
        assert self.response is not None
        self.response.chunks.append(data)
        self._fed = 0

    def _end_of_head(self, data: bytes) -> None:
        """The answer to HEAD ends with its head, but httptools waits for a body: it is replaced."""
        response = self.response
        assert response is not None
        response.complete = True
        response.keep_alive = response.keep_alive and data.endswith(b"\r\n\r\n")
        self._start_parser()

    # checks

    def _framing(self, status: int, fields: Fields) -> Framing:
        """RFC 9112 section 6.3."""
        if status in NO_BODY:
            return Framing.NONE
        if status // 100 == self._tunnel_status:
            return self._tunnel(fields)
        if b"content-length" in fields:
            return Framing.LENGTH
        coding = fields.get(b"transfer-encoding")
        if coding is None:
            return Framing.EOF
        if coding.strip().lower() != b"chunked":
            self._refuse("http1.invalid_transfer_encoding")
        return Framing.CHUNKED

    def _tunnel(self, fields: Fields) -> Framing:
        """RFC 9110 section 9.3.6: neither of these may be there; what it would frame is not what it says."""
        if b"content-length" in fields or b"transfer-encoding" in fields:
            self._refuse("http1.tunnel_with_body")
        return Framing.TUNNEL

    def _add_trailer(self, response: Response, name: bytes, value: bytes) -> None:
        if self.keeps_trailers and not response.complete and is_trailer(name):
            response.trailers = (*response.trailers, (name, value))
            if are_too_many(response.trailers, MAX_HEADER_BYTES):
                self._refuse("response_trailers_too_large")

    def _check(self, response: Response) -> None:
        names = [name for name, _ in response.repeats]
        if b"content-length" in names or b"transfer-encoding" in names:
            self._refuse("http1.ambiguous_framing")
        if len(response.fields) + len(names) > MAX_FIELDS:
            self._refuse("response_headers_too_many")
        pairs = (*response.fields.items(), *response.repeats)
        response.header_bytes = sum(len(name) + len(value) + 4 for name, value in pairs) + 17
        if response.header_bytes > MAX_HEADER_BYTES:
            self._refuse("response_headers_too_large")

    def _refuse(self, detail: str) -> None:
        self._error = ResponseError(detail)
        raise self._error
