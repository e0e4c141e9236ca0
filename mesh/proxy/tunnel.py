"""Tunnels: opened by the answer to an Upgrade or a CONNECT; and a CONNECT that ends here.

client ==CONNECT==> exchange --> TunnelConnection --bytes--> server     (Envoy's ``connect_config``)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.proxy.pool import Pool
from mesh.proxy.request_body import TunnelBody
from mesh.proxy.tunnel_connection import TunnelConnection

if TYPE_CHECKING:
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.ends import Requester, Upstream
    from mesh.proxy.exchange import Exchange
    from mesh.proxy.host import Host
    from mesh.proxy.upstream import UpstreamConnection


def open_tunnel(exchange: Exchange) -> None:
    """The server agrees: what the client has said meanwhile may go on, and no time limit holds any more."""
    if exchange.timeouts is not None:
        exchange.timeouts.stop()
    if isinstance(exchange.body, TunnelBody):
        exchange.body.is_open = True
        exchange.request_arrived()
        exchange.downstream.resume_reading()


class TunnelPool(Pool):
    """A connection for each tunnel; none is ever idle."""

    __slots__ = ()

    def take(self, waiter: Requester) -> Upstream | None:
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
