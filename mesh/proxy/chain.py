"""A filter chain at run time: what a connection that chose it becomes, and the connections it has.

When a listener changes, ``takes_over`` decides whether a live connection may go on under the new chain (its
next request knows the new rules) or has to leave because what it was accepted as is no longer right.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from mesh.model.listener import FilterChain
from mesh.proxy.connection import DownstreamConnection
from mesh.proxy.connection_info import ConnectionInfo
from mesh.proxy.http2_connection import Http2Connection
from mesh.proxy.http_manager import HttpManager
from mesh.proxy.tcp_proxy import TcpConnection, TcpHandler

Handler = HttpManager | TcpHandler
Served = DownstreamConnection | Http2Connection | TcpConnection


class LiveConnection(Protocol):
    """What a listener may do to its connections."""

    info: ConnectionInfo

    def drain(self) -> None: ...

    def ask_to_leave(self) -> None: ...

    def close_idle(self, now: float) -> None: ...


class RuntimeChain:
    __slots__ = ("forwards_client_pem", "handler", "live", "model", "tls")

    def __init__(self, model: FilterChain, handler: Handler) -> None:
        self.model = model
        self.tls = model.tls
        self.handler = handler
        self.forwards_client_pem = isinstance(handler, HttpManager) and handler.model.forward_client_pem
        self.live: set[Served] = set()

    def make_protocol(self, info: ConnectionInfo) -> asyncio.Protocol:
        """HTTP/2 when ALPN says so; without it a client may still begin with the preface."""
        if isinstance(self.handler, HttpManager):
            if info.application_protocol == "h2":
                return Http2Connection(self.handler, info, self)
            return DownstreamConnection(self.handler, info, self)
        return TcpConnection(self.handler, info, self)

    def report_unserved(self, info: ConnectionInfo) -> None:
        """It chose this chain, but its handshake failed: a connection all the same where those are logged."""
        if isinstance(self.handler, TcpHandler):
            TcpConnection(self.handler, info, self).report_end()

    def enter(self, connection: Served) -> None:
        """It is one of ours now."""
        self.live.add(connection)
        self.handler.worker.overload.connections += 1

    def leave(self, connection: Served) -> None:
        """It is gone, or another protocol has taken its place."""
        if connection in self.live:
            self.live.remove(connection)
            self.handler.worker.overload.connections -= 1

    def hand_over(self, connection: Served, chain: RuntimeChain | None) -> None:
        """Move one of our connections to the chain that the new configuration chose for it, or let it go."""
        if chain is not None and chain.tls == self.tls:
            handler = chain.handler
            if isinstance(handler, HttpManager):
                if not isinstance(connection, TcpConnection):
                    self._pass_on(connection, chain)
                    connection.adopt(chain, handler)
                    return
            elif isinstance(connection, TcpConnection):
                if connection.cluster_name in handler.model.clusters:
                    self._pass_on(connection, chain)
                    connection.adopt(chain, handler)
                    return
        connection.drain()

    def _pass_on(self, connection: Served, chain: RuntimeChain) -> None:
        self.live.discard(connection)
        chain.live.add(connection)
