"""Bytes of a client connection -> requests: httptools reads the grammar, this file refuses the ambiguous.

httptools (llhttp, without leniencies) already refuses: bad names and values, obs-fold, bare CR or LF, a
second or malformed Content-Length, Content-Length with Transfer-Encoding, bad chunk sizes and extensions.
Added here: Host rules, the HTTP version, transfer codings other than chunked, targets, and the limits. What
passes is written anew from its parsed parts, so no server behind us can read it differently.
After a request for a tunnel there are no more requests: all that comes is what is said through it.

    data_received -> receive_data(data) -> requests[0] is being served, requests[1:] wait (pipelining)
"""

from __future__ import annotations

from collections import deque
from typing import Any

import httptools

from mesh.http.errors import Http2Preface, RequestError
from mesh.http.fields import are_too_many, check_connection, is_trailer
from mesh.http.message import MAX_FIELDS, Fields, Framing, Repeats, Request
from mesh.http.target import check_authority, split_target
from mesh.http.upgrade import CONNECT, asked_upgrade

DEFAULT_MAX_HEADER_BYTES = 60 * 1024  # Envoy's max_request_headers_kb


class RequestParser:
    """One for each client connection. After an error it takes no more bytes.

    ``protocols``, in lower case, are those a client may go on in by Upgrade; others it names are ignored
    (RFC 9110 section 7.8). ``keeps_trailers``: else they are dropped. ``takes_http10``: else 426.
    """

    __slots__ = (
        "_fed",
        "_feed",
        "_fields",
        "_open",
        "_parser",
        "_refused",
        "_repeats",
        "_silent",
        "_url",
        "keeps_trailers",
        "max_header_bytes",
        "protocols",
        "requests",
        "takes_http10",
    )

    def __init__(
        self,
        max_header_bytes: int = DEFAULT_MAX_HEADER_BYTES,
        protocols: frozenset[bytes] = frozenset(),
        keeps_trailers: bool = False,
        takes_http10: bool = True,
    ) -> None:
        self.max_header_bytes = max_header_bytes
        self.protocols = protocols
        self.keeps_trailers = keeps_trailers
        self.takes_http10 = takes_http10
        self.requests: deque[Request] = deque()
        self._url = b""
        self._fields: Fields = {}
        self._repeats: Repeats = []
        self._open: Request | None = None  # its head is read, its body is not
        self._fed = 0  # bytes since the last message ended, or more of its body came
        self._refused: RequestError | None = None
        self._silent = False
        self._start_parser()

    @property
    def in_message(self) -> bool:
        """Whether a request has begun and not ended."""
        return self._open is not None or self._fed > 0

    def receive_data(self, data: bytes) -> None:
        """Read on; new requests and body bytes appear in ``requests``. Raises RequestError."""
        self._fed += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._leave_http(data, upgrade.args[0])
            return
        except httptools.HttpParserCallbackError:
            raise self._refused or RequestError("http1.codec_error") from None
        except httptools.HttpParserError as error:
            if self._parser.get_method() == b"PRI" and 0 <= self._fed - len(data) < 24:
                raise Http2Preface(self._fed - len(data)) from None
            raise RequestError(_detail(error)) from None
        if self._fed > self.max_header_bytes:  # of a head, of trailers, or of a chunk's extensions
            raise RequestError("request_headers_too_large", 431)

    def _start_parser(self) -> None:
        self._parser: Any = httptools.HttpRequestParser(self)
        self._feed: Any = self._parser.feed_data

    def close(self) -> None:
        """No more will come: httptools' parser and this one, which know each other, are let go of."""
        self._parser = self._feed = None

    # what httptools calls, in the order of the wire

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if self._open is not None:
            self._add_trailer(self._open, name, value)
            return
        if name in self._fields:
            self._repeats.append((name, value))
        else:
            self._fields[name] = value

    def on_headers_complete(self) -> None:
        if self._silent:
            self._url, self._fields = b"", {}
            return
        try:
            request = self._make_request()
        except RequestError as refused:
            self._refused = refused
            raise
        self._open = request
        self._url, self._fields, self._repeats = b"", {}, []
        self.requests.append(request)

    def on_body(self, body: bytes) -> None:
        request = self._open
        if request is not None:
            request.chunks.append(body)
            self._fed = 0

    def on_message_complete(self) -> None:
        request = self._open
        if request is None or (self._parser.should_upgrade() and request.framing is not Framing.NONE):
            return  # the body comes yet: see _leave_http
        request.complete = True
        self._open = None
        self._fed = 0

    # checks

    def _make_request(self) -> Request:
        fields, repeats, parser = self._fields, self._repeats, self._parser
        method: bytes = parser.get_method()
        keep_alive: bool = parser.should_keep_alive()
        http10 = (not keep_alive or b"connection" in fields) and self._is_http10()
        authority = fields.get(b"host")
        if authority is None:
            raise RequestError("missing_host_header")  # of HTTP/1.0 too: without it there is no route
        check_authority(authority)
        framing = Framing.NONE
        if b"content-length" in fields:
            framing = Framing.LENGTH
        elif b"transfer-encoding" in fields:
            framing = self._check_coding(http10)
        request = Request(method, self._url, authority, fields, repeats, framing, keep_alive)
        request.http10 = http10
        if repeats or len(fields) > MAX_FIELDS:
            self._check_repeats()
        if b"connection" in fields:
            check_connection(request)
            if b"upgrade" in fields and asked_upgrade(request) in self.protocols and not http10:
                self._make_tunnel(request)
        if self._url[0] != 0x2F or b"#" in self._url or method == CONNECT:
            self._apply_target(request)
        if framing is Framing.NONE and not self.requests and self._fed <= self.max_header_bytes:
            request.header_bytes = self._fed
        else:
            self._measure(request)
        return request

    def _is_http10(self) -> bool:
        version = self._parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise RequestError("http1.invalid_version", 505 if version.startswith("2") else 400)
        if version == "1.0" and not self.takes_http10:
            raise RequestError("low_version", 426)
        return bool(version == "1.0")

    def _check_coding(self, http10: bool) -> Framing:
        """RFC 9112 section 6.1: chunked is the only coding forwarded, and HTTP/1.0 has none."""
        if http10:
            raise RequestError("http1.transfer_encoding_not_allowed")
        if self._fields[b"transfer-encoding"].strip().lower() != b"chunked":
            raise RequestError("http1.invalid_transfer_encoding", 501)
        self._fields[b"transfer-encoding"] = b"chunked"  # as every server behind us spells it
        return Framing.CHUNKED

    def _check_repeats(self) -> None:
        if len(self._fields) + len(self._repeats) > MAX_FIELDS:
            raise RequestError("request_headers_too_many", 431)
        for name, _ in self._repeats:
            if name in (b"host", b"content-length", b"transfer-encoding"):
                raise RequestError(f"http1.duplicate_{name.decode()}")

    def _apply_target(self, request: Request) -> None:
        """The target's authority goes before the Host field (RFC 9112 section 3.2.2)."""
        target = split_target(request.path, request.method)
        if request.method == CONNECT:
            self._make_tunnel(request)
        request.path, request.scheme = target.path, target.scheme
        if target.authority is not None:
            check_authority(target.authority)
            request.authority = request.fields[b"host"] = target.authority

    def _make_tunnel(self, request: Request) -> None:
        """A body has no meaning here (RFC 9110 section 9.3.6), and whoever sends one may mean a request."""
        if request.framing is Framing.CHUNKED or request.fields.get(b"content-length", b"0").strip(b"0 \t"):
            raise RequestError("http1.tunnel_with_body")
        request.framing = Framing.TUNNEL

    def _add_trailer(self, request: Request, name: bytes, value: bytes) -> None:
        """Nothing else is made of it than a trailer: it says nothing of how to read or route the message."""
        if self.keeps_trailers and is_trailer(name):
            request.trailers = (*request.trailers, (name, value))
            if are_too_many(request.trailers, self.max_header_bytes):
                self._refused = RequestError("request_trailers_too_large", 431)
                raise self._refused

    def _measure(self, request: Request) -> None:
        """The head's size, where what was fed may hold more than the head."""
        pairs = (*request.fields.items(), *request.repeats)
        size = sum(len(name) + len(value) + 4 for name, value in pairs)
        size += len(request.method) + len(self._url) + 13
        if size > self.max_header_bytes:
            raise RequestError("request_headers_too_large", 431)
        request.header_bytes = size

    # upgrades

    def _leave_http(self, data: bytes, offset: int) -> None:
        """Take what follows as the tunnel's, or ignore the upgrade: httptools then skips the body.

        So in that case the rest goes to a fresh parser that is told the same framing first.
        """
        request = self._open
        if request is not None and request.framing is Framing.TUNNEL:
            self._fed = 0
            self._feed = self._take_from_tunnel
            if len(data) > offset:
                self._take_from_tunnel(data[offset:])
            return
        self._start_parser()
        if request is not None:
            length = request.fields.get(b"content-length")
            framing = b"content-length: " + length if length else b"transfer-encoding: chunked"
            self._silent = True
            self._feed(b"POST / HTTP/1.1\r\n" + framing + b"\r\n\r\n")
            self._silent = False
        rest = data[offset:]
        self._fed = 0
        if rest:
            self.receive_data(rest)

    def _take_from_tunnel(self, data: bytes) -> None:
        assert self._open is not None
        self._open.chunks.append(data)
        self._fed = 0


def _detail(error: Exception) -> str:
    """llhttp's words as one token, as Envoy writes codec errors in its details."""
    return "http1.codec_error:" + "_".join(str(error).replace("`", "").split())
