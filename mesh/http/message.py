"""Requests and responses as the proxy handles them: a head, and a body that may still be arriving.

``fields`` maps lower-case names to values in the order of arrival, which is what matching, editing and
sending want; a name that comes again is in ``repeats`` (set-cookie, mostly), so nothing is merged on the way.
Values may end in whitespace: ``get`` takes it off. The parser adds to ``chunks`` until ``complete``;
whoever forwards the body takes them out. ``trailers`` are there when the message is complete.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

MAX_FIELDS = 100  # Envoy's max_headers_count: of a head, and of trailers

Fields = dict[bytes, bytes]
Repeats = list[tuple[bytes, bytes]]
Trailers = Sequence[tuple[bytes, bytes]]


class Framing(Enum):
    """How the end of a body is known (RFC 9112 section 6.3)."""

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    EOF = "eof"  # responses only: until the connection closes
    TUNNEL = "tunnel"  # no message any more: bytes both ways, until either side closes (Upgrade, CONNECT)


class Message:
    """What requests and responses have in common; they fill it themselves, which is a call less for each.

    ``header_bytes`` is the head's size on the wire.
    """

    __slots__ = (
        "chunks",
        "complete",
        "fields",
        "framing",
        "header_bytes",
        "keep_alive",
        "repeats",
        "trailers",
    )

    fields: Fields
    repeats: Repeats
    framing: Framing
    keep_alive: bool
    header_bytes: int
    complete: bool
    chunks: list[bytes]
    trailers: Trailers

    def take_body(self) -> bytes:
        """The body bytes that arrived since the last call."""
        chunks = self.chunks
        if not chunks:
            return b""
        self.chunks = []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def get(self, name: bytes) -> bytes | None:
        """A field's value; of several, all of them joined by ", " (RFC 9110 section 5.3)."""
        value = self.fields.get(name)
        if value is None:
            return None
        if self.repeats:
            value = b", ".join([value, *(other for known, other in self.repeats if known == name)])
        return value.strip()

    def remove(self, name: bytes) -> None:
        self.fields.pop(name, None)
        if self.repeats:
            self.repeats = [field for field in self.repeats if field[0] != name]


class Request(Message):
    """``path`` includes the query, CONNECT's is b""; ``scheme`` is the absolute-form's, or None."""

    __slots__ = ("authority", "expects_continue", "http10", "method", "path", "scheme")

    def __init__(
        self,
        method: bytes,
        path: bytes,
        authority: bytes,
        fields: Fields,
        repeats: Repeats,
        framing: Framing,
        keep_alive: bool,
    ) -> None:
        self.fields = fields
        self.repeats = repeats
        self.framing = framing
        self.keep_alive = keep_alive
        self.header_bytes = 0
        self.complete = False
        self.chunks = []
        self.trailers = ()
        self.method = method
        self.path = path
        self.authority = authority
        self.scheme: bytes | None = None
        self.http10 = self.expects_continue = False


class Response(Message):
    __slots__ = ("status",)

    def __init__(
        self, status: int, fields: Fields, repeats: Repeats, framing: Framing, keep_alive: bool
    ) -> None:
        self.fields = fields
        self.repeats = repeats
        self.framing = framing
        self.keep_alive = keep_alive
        self.header_bytes = 0
        self.complete = False
        self.chunks = []
        self.trailers = ()
        self.status = status
