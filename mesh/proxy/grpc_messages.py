"""How many gRPC messages a call carries, by the frames in its two bodies (Envoy's grpc_stats). Pure.

A frame is a flag, four bytes of length, and as many bytes of message (gRPC's "PROTOCOL-HTTP2"). As in Envoy a
message counts as soon as it begins.
"""

from __future__ import annotations

from mesh.http.message import Framing, Request
from mesh.proxy.grpc import is_grpc
from mesh.proxy.request_body import RequestBody, body_of

_HEAD_BYTES = 5


class MessageCount:
    """``receive`` gets a body in any pieces."""

    __slots__ = ("_head", "_left", "messages")

    def __init__(self) -> None:
        self.messages = 0
        self._head = b""  # the begun head of a frame
        self._left = 0  # bytes of the present message still to come

    def receive(self, data: bytes) -> None:
        if not self._left and not self._head and len(data) == _HEAD_BYTES + int.from_bytes(data[1:5]):
            self.messages += 1  # one whole frame, as most calls have it
            return
        place = 0
        while place < len(data):
            if self._left:
                skipped = min(self._left, len(data) - place)
                self._left -= skipped
                place += skipped
                continue
            if not self._head:
                self.messages += 1
            head = self._head + data[place : place + _HEAD_BYTES - len(self._head)]
            place += len(head) - len(self._head)
            if len(head) == _HEAD_BYTES:
                self._left = int.from_bytes(head[1:])
                head = b""
            self._head = head


class GrpcBody(RequestBody):
    """The body of a call: what goes through it is counted; so is its answer's, by whoever sends that on.

    ``is_answered`` False: the answer is none of gRPC, and has no messages.
    """

    __slots__ = ("is_answered", "requests", "responses")

    def __init__(self, request: Request, keep: bool) -> None:
        super().__init__(request, keep)
        self.requests = MessageCount()
        self.responses = MessageCount()
        self.is_answered = True

    def take(self) -> bytes:
        data = super().take()
        self.requests.receive(data)
        return data


def counted_body_of(request: Request, keep: bool) -> RequestBody:
    """As ``body_of``; that of a call is counted."""
    if request.framing is not Framing.TUNNEL and is_grpc(request.get(b"content-type")):
        return GrpcBody(request, keep)
    return body_of(request, keep)
