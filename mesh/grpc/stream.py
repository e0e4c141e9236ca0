"""One call as a stream of HTTP/2: messages come in, and at the end a status. Pure.

    head (200, application/grpc) -> messages -> trailers (grpc-status)
    head with END_STREAM: the status at once ("Trailers-Only")

Whoever uses it looks at ``messages``, ``ended`` and ``is_blocked`` when ``changed`` is called.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from mesh.grpc.message import MessageReader, prefixed
from mesh.grpc.status import CANCELLED, INTERNAL, UNKNOWN, RpcError, error_in, error_of_reset
from mesh.http.h2.errors import Code, StreamFault
from mesh.http.h2.stream import Stream
from mesh.http.message import Message, Response, Trailers

if TYPE_CHECKING:
    from mesh.http.h2.client import Client

CONTENT_TYPE = b"application/grpc"
MAX_WAITING = 64  # messages nobody has read yet; from there on the server has to wait


class CallStream(Stream):
    """``error`` is why the call failed, once ``ended``; None: it ended with OK."""

    __slots__ = ("_changed", "_reader", "ended", "error", "is_blocked", "messages", "method")

    def __init__(self, connection: Client, changed: Callable[[], None]) -> None:
        super().__init__(connection, 0)
        self.method = b"POST"
        self.messages: deque[bytes] = deque()
        self.ended = self.is_blocked = False
        self.error: RpcError | None = None
        self._reader = MessageReader()
        self._changed = changed

    # what we send

    def send(self, message: bytes) -> None:
        self.connection.send_data(self, prefixed(message), False)

    def send_end(self) -> None:
        """No more messages from us: the server may still send."""
        if self.local_open:
            self.connection.send_data(self, b"", True)

    def take(self) -> bytes:
        """The next message that came; there must be one."""
        message = self.messages.popleft()
        if self.is_paused and len(self.messages) < MAX_WAITING:
            self.resume_reading()
        return message

    def cancel(self, error: RpcError | None = None) -> None:
        """Want nothing more of it; what came stays readable."""
        if not self.ended:
            self.connection.reset(self, Code.CANCEL)
            self._end(error or RpcError(CANCELLED, "cancelled here"))

    # what arrives

    def head_received(self, message: Message) -> None:
        response = cast("Response", message)
        if response.complete:
            self._end(error_in(response.fields, response.status))
        elif response.status != 200:
            self.cancel(error_in(response.fields, response.status))
        elif not response.fields.get(b"content-type", b"").startswith(CONTENT_TYPE):
            self.cancel(RpcError(UNKNOWN, "the server does not speak gRPC: its content-type is another"))

    def data_received(self, data: bytes, end: bool) -> None:
        try:
            self.messages.extend(self._reader.receive(data))
        except RpcError as error:
            self.cancel(error)
            return
        if end:
            self._end(error_in({}))
            return
        if len(self.messages) >= MAX_WAITING:
            self.pause_reading()
        self._changed()

    def trailers_received(self, trailers: Trailers) -> None:
        error = error_in(dict(trailers))
        if error is None and self._reader.is_inside:
            error = RpcError(INTERNAL, "the server ended the call within a message")
        self._end(error)

    def reset_received(self, code: int) -> None:
        self._end(error_of_reset(code))

    def failed(self, fault: StreamFault) -> None:
        self._end(RpcError(INTERNAL, fault.detail))

    def fail(self, error: RpcError) -> None:
        """The connection is gone."""
        if not self.ended:
            self._end(error)

    def _end(self, error: RpcError | None) -> None:
        """A server may end a call before we have: then there is nothing left to say (no error)."""
        self.ended, self.error = True, error
        self.is_blocked = False
        if self.local_open:
            self.connection.reset(self, Code.NO_ERROR)
        self._changed()

    # flow control

    def blocked(self) -> None:
        self.is_blocked = True

    def writable(self) -> None:
        self.is_blocked = False
        self._changed()
