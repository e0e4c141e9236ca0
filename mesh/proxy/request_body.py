"""A request's body on its way to the upstream: counted, kept while it may be needed again. Pure.

What a client says through a tunnel is one, too; it stays here until the server has agreed to the tunnel.
"""

from __future__ import annotations

from typing import Protocol

from mesh.http.message import Framing, Request

# A body is kept for another attempt while it is no larger than this; a larger one is sent once.
MAX_REPLAY_BYTES = 64 * 1024
# What may arrive before there is a connection to pass it on; then the client has to wait.
MAX_HELD_BYTES = 64 * 1024


class BodyCopy(Protocol):
    """Who gets all of the body, too (a mirror)."""

    def write(self, data: bytes) -> None: ...

    def request_over(self) -> None: ...


class RequestBody:
    """``received`` counts what was taken. ``keep``: the route may try again. ``is_open``: it may be sent."""

    __slots__ = ("_kept", "_request", "copies", "received")

    is_open = True

    def __init__(self, request: Request, keep: bool) -> None:
        self._request = request
        self._kept: list[bytes] | None = [] if keep else None
        self.received = 0
        self.copies: tuple[BodyCopy, ...] = ()

    def take(self) -> bytes:
        """What has arrived since the last call."""
        data = self._request.take_body()
        self.received += len(data)
        if self._kept is not None:
            if self.received <= MAX_REPLAY_BYTES:
                self._kept.append(data)
            else:
                self._kept = None
        for copy in self.copies:
            copy.write(data)
        return data

    def end_copies(self) -> None:
        """The exchange is over: no more of the body will come."""
        for copy in self.copies:
            copy.request_over()

    @property
    def can_repeat(self) -> bool:
        return self._kept is not None

    def sent_before(self) -> bytes:
        """All that earlier attempts were given."""
        return b"".join(self._kept or ())

    def is_full(self) -> bool:
        """Whether enough is held while there is no connection."""
        return sum(map(len, self._request.chunks)) > MAX_HELD_BYTES


class TunnelBody(RequestBody):
    """Not to be sent before ``is_open``; until then nothing of it is gone."""

    __slots__ = ("is_open",)

    def __init__(self, request: Request) -> None:
        super().__init__(request, keep=False)
        self.is_open = False

    @property
    def can_repeat(self) -> bool:
        return not self.is_open


def body_of(request: Request, keep: bool) -> RequestBody:
    """``keep``: all of it may be sent again."""
    return TunnelBody(request) if request.framing is Framing.TUNNEL else RequestBody(request, keep)
