"""Where a CONNECT that ends here gets its bytes from: the connection that carries one tunnel.

To its requester that is a connection like others: it answers 200 by itself, and all that the server says is
the body of that answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mesh.http.message import Framing, Response
from mesh.http.response_parser import ResponseParser
from mesh.proxy.upstream import UpstreamConnection

if TYPE_CHECKING:
    from mesh.proxy.ends import Requester
    from mesh.proxy.pool import Pool


class _Bytes(ResponseParser):
    """Reads nothing: whatever comes belongs to the one response."""

    __slots__ = ()

    def open(self) -> Response:
        response = self.response = Response(200, {}, [], Framing.TUNNEL, False)
        return response

    def receive_data(self, data: bytes) -> None:
        if self.response is not None:
            self.response.chunks.append(data)

    def receive_eof(self) -> bool:
        """The server has said all: no less an end than any."""
        if self.response is not None:
            self.response.complete = True
        return True


class TunnelConnection(UpstreamConnection):
    """Carries one tunnel, from its first byte to its last."""

    __slots__ = ()

    def __init__(self, pool: Pool, principal: str = "") -> None:
        super().__init__(pool, principal)
        self.parser = _Bytes()

    def send_request(self, requester: Requester) -> None:
        """There is a connection: that is the answer."""
        self.requester = requester
        requester.response_arrived(cast("_Bytes", self.parser).open())
