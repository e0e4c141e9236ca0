"""Tunnels: opened by the answer to an Upgrade or a CONNECT; and a CONNECT that ends here.

    client ==CONNECT==> exchange --> TunnelConnection --bytes--> server     (Envoy's ``connect_config``)

To the exchange that is a connection like others: it answers 200 by itself, and all that the server says is
the body of that answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from mesh.http.message import Framing, Response
from mesh.http.response_parser import ResponseParser
from mesh.proxy.pool import Pool
from mesh.proxy.request_body import TunnelBody
from mesh.proxy.upstream import UpstreamConnection

if TYPE_CHECKING:
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.ends import Upstream
    from mesh.proxy.exchange import Exchange
    from mesh.proxy.host import Host
    from mesh.proxy.pool import Waiter


def open_tunnel(exchange: Exchange) -> None:
    """The server agrees: what the client has said meanwhile may go on, and no time limit holds any more."""
    if exchange.timeouts is not None:
        exchange.timeouts.stop()
    if isinstance(exchange.body, TunnelBody):
        exchange.body.is_open = True
        exchange.request_arrived()
        exchange.downstream.resume_reading()


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

    def send_request(self, exchange: Exchange) -> None:
        """There is a connection: that is the answer."""
        self.exchange = exchange
        exchange.response_arrived(cast("_Bytes", self.parser).open())


class TunnelPool(Pool):
    """A connection for each tunnel; none is ever idle."""

    __slots__ = ()

    def take(self, waiter: Waiter) -> Upstream | None:
        return None

    def give_back(self, connection: UpstreamConnection, now: float) -> None:
        """It has just been made; who asked for it may have left."""
        if self.waiting:
            self._next_waiter().connected(connection)
        else:
            connection.close()

    def _make(self, principal: str) -> UpstreamConnection:
        return TunnelConnection(self, principal)


def pool_for_connect(exchange: Exchange, host: Host, cluster: RuntimeCluster) -> Pool:
    """Where a CONNECT gets its connection: it ends here, or goes on as any other request."""
    route = exchange.route
    if route is None or route.forward is None or not route.forward.terminate_connect:
        return host.pool
    if host.tunnels is None:
        host.tunnels = TunnelPool(host, cluster)
    return host.tunnels
