"""What an exchange needs of its two ends, whatever version of HTTP they speak, and the second end of it.

    client <-> Downstream <-> Exchange <-> Upstream <-> server        (an Exchange is a Requester)

HTTP/1.1: an end is a connection (``connection``, ``upstream``), which is used again.
HTTP/2: an end is a stream of a connection (``downstream_stream``, ``upstream_stream``), used once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mesh.http.message import Request, Response
from mesh.proxy.connection_info import ConnectionInfo
from mesh.proxy.failure import Failure

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange
    from mesh.proxy.http_manager import HttpManager
    from mesh.proxy.request_body import RequestBody
    from mesh.proxy.worker import Worker


class Source(Protocol):
    """Where a body comes from: it waits while its other end takes no more."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Downstream(Source, Protocol):
    """Where the request came from. ``protocol`` is the access log's name of it."""

    info: ConnectionInfo
    manager: HttpManager
    worker: Worker

    @property
    def protocol(self) -> str: ...

    @property
    def draining(self) -> bool: ...

    def send_continue(self) -> None: ...

    def send_head(self, exchange: Exchange, response: Response) -> None:
        """With what there is of the body."""

    def send_body(self, exchange: Exchange, response: Response) -> None:
        """What has arrived since, and the end when the response is complete."""

    def abort_after_write(self) -> None:
        """The response will not be completed; the client must see it."""

    def exchange_done(self, exchange: Exchange, now: float) -> None: ...


class Upstream(Source, Protocol):
    """Where the request goes: it owes the requester ``response_arrived`` or ``upstream_failed``."""

    local_address: str
    principal: str

    def send_request(self, requester: Requester) -> None:
        """The head, with what there is of the body."""

    def send_body(self, requester: Requester, body: RequestBody) -> None:
        """What has arrived since; once more with nothing when the body ends."""

    def release(self, now: float, reusable: bool) -> None:
        """The response is complete."""

    def close(self) -> None:
        """The response is not wanted any more."""


class Requester(Protocol):
    """Who sends a request upstream: an exchange, or a mirror's copy of one.

    With ``names_protocol``, a connection that is made for it is to offer ``Pool.request_alpn``.
    """

    request: Request
    body: RequestBody | None

    @property
    def names_protocol(self) -> bool: ...

    @property
    def downstream(self) -> Source: ...

    def connected(self, connection: Upstream) -> None:
        """The connection that it has waited for."""

    def response_arrived(self, response: Response) -> None:
        """The head, or more of the body."""

    def upstream_failed(self, failure: Failure) -> None:
        """No connection, or no (whole) response on it."""
