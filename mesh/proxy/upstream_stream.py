"""A stream to a server: to its requester what an HTTP/1.1 connection to a server is."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mesh.http.h2.errors import Code, StreamFault
from mesh.http.h2.messages import request_block, trailers_block
from mesh.http.h2.stream import Stream
from mesh.http.message import Framing, Message, Request, Response, Trailers
from mesh.http.upgrade import CONNECT, agree
from mesh.proxy.failure import Failure, Kind, Stage

if TYPE_CHECKING:
    from mesh.proxy.ends import Requester
    from mesh.proxy.http2_upstream import Http2Upstream
    from mesh.proxy.request_body import RequestBody

# what Envoy tells apart
_RESETS: dict[int, Kind] = {
    Code.REFUSED_STREAM: Kind.REFUSED_STREAM,
    Code.PROTOCOL_ERROR: Kind.PROTOCOL_ERROR,
    Code.CONNECT_ERROR: Kind.CONNECT_ERROR,
}


class UpstreamStream(Stream):
    """Made for one request; ``requester`` is None when nobody wants its answer any more."""

    __slots__ = ("local_address", "method", "owner", "principal", "requester", "response")

    def __init__(self, owner: Http2Upstream) -> None:
        super().__init__(owner.codec, 0)
        self.owner = owner
        self.principal = owner.principal
        self.local_address = owner.local_address
        self.method = b""
        self.requester: Requester | None = None
        self.response: Response | None = None

    # what the requester sends

    def send_request(self, requester: Requester) -> None:
        """The head, with what there is of the body."""
        request, body = requester.request, requester.body
        self.requester = requester
        self.method = request.method
        if request.framing is Framing.TUNNEL:
            self.method = CONNECT
            if b"upgrade" in request.fields and not self._may_upgrade():
                return
        self.owner.open(self)
        head = request_block(request)
        data = body.sent_before() + body.take() if body is not None and body.is_open else b""
        if data and request.complete:
            trailers = trailers_block(request.trailers) if request.trailers else b""
            self.connection.send_message(self, head, data, trailers)
            return
        self.connection.send_head(self, head, body is None)
        if body is not None and body.is_open:
            self._send(request, data)

    def _may_upgrade(self) -> bool:
        """RFC 8441 section 3; False: it will go on by itself, or has failed."""
        codec = self.owner.codec
        if not codec.is_told:
            self.owner.wait_to_upgrade(self)
        elif not codec.peer.connects_protocols:
            self.fail(Kind.PROTOCOL_ERROR, "http2.extended_connect_not_supported", definite=True)
        return codec.peer.connects_protocols

    def settings_known(self) -> None:
        if self.requester is not None:
            self.send_request(self.requester)

    def send_body(self, requester: Requester, body: RequestBody) -> None:
        """What has arrived since; called once more with nothing when the body ends."""
        self._send(requester.request, body.take())

    def _send(self, request: Request, data: bytes) -> None:
        end = request.complete
        trailers = request.trailers if end else ()
        if data or (end and not trailers):
            self.connection.send_data(self, data, end and not trailers)
        if trailers:
            self.connection.send_trailers(self, trailers_block(trailers))

    def release(self, now: float, reusable: bool) -> None:
        """The requester is done with it."""
        self.requester = None
        self.connection.reset(self, Code.NO_ERROR)  # nothing, when both sides have ended
        self.owner.stream_done(now)

    def close(self) -> None:
        """The answer is not wanted any more."""
        self.requester = None
        self.connection.reset(self, Code.CANCEL)
        self.owner.stream_done(self.owner.idle_since)

    # what the server sends

    def head_received(self, message: Message) -> None:
        response = self.response = cast("Response", message)
        if self.requester is not None:
            if response.framing is Framing.TUNNEL:
                agree(response, self.requester.request)
            self.connection.arrivals[self] = None

    def data_received(self, data: bytes, end: bool) -> None:
        response = self.response
        if self.requester is None or response is None:
            return
        if data:
            response.chunks.append(data)
        if end:
            response.complete = True
        self.connection.arrivals[self] = None

    def trailers_received(self, trailers: Trailers) -> None:
        if self.response is not None:
            self.response.trailers = trailers
            self.data_received(b"", True)

    def arrived(self) -> None:
        if self.requester is not None and self.response is not None:
            self.requester.response_arrived(self.response)

    def reset_received(self, code: int) -> None:
        """Refused means: not looked at (RFC 9113 section 8.7)."""
        self.fail(_RESETS.get(code, Kind.REMOTE_RESET), definite=code == Code.REFUSED_STREAM)

    def failed(self, fault: StreamFault) -> None:
        self.fail(Kind.PROTOCOL_ERROR, fault.detail)

    def fail(self, kind: Kind, reason: str = "", definite: bool = False) -> None:
        requester, self.requester = self.requester, None
        if requester is not None:
            stage = Stage.SEND if self.response is None else Stage.RESPONSE
            requester.upstream_failed(Failure(kind, stage, definite, reason))
        self.owner.stream_done(self.owner.idle_since)

    # flow control

    def blocked(self) -> None:
        if self.requester is not None:
            self.requester.downstream.pause_reading()

    def writable(self) -> None:
        if self.requester is not None:
            self.requester.downstream.resume_reading()
