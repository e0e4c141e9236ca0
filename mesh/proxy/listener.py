"""A listener at run time: its socket, its filter chains, its connections.

An update swaps the chains and keeps the socket and the connections: each of these is asked again which chain
it belongs to, so that a policy change reaches it (see ``RuntimeChain.hand_over``). Make before break.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Hashable, Mapping

from mesh.model.listener import Listener
from mesh.proxy.accepted import AcceptedConnection
from mesh.proxy.chain import RuntimeChain
from mesh.proxy.chain_match import choose_chain, needs_tls_inspector
from mesh.proxy.connection_info import ConnectionInfo
from mesh.proxy.tls_stats import TlsStats
from mesh.proxy.worker import Worker
from mesh.remember import remember
from mesh.xds.errors import Rejected

BACKLOG = 1024  # connections the kernel holds for us; the system may allow less
MAX_CHOICES = 256  # that are remembered; clients make up server names, so it is bounded
Address = tuple[str, int]


class ListenerStats:
    """Envoy's ``listener.<address>.`` counters."""

    __slots__ = (
        "cx_overload_reject",
        "cx_total",
        "filter_error",
        "filter_remote_close",
        "no_filter_chain_match",
        "pre_cx_timeout",
        "tls",
    )

    def __init__(self, worker: Worker, model: Listener) -> None:
        prefix = f"listener.{model.address}_{model.port}."
        self.cx_total = worker.stats.counter(prefix + "downstream_cx_total")
        self.cx_overload_reject = worker.stats.counter(prefix + "downstream_cx_overload_reject")
        self.pre_cx_timeout = worker.stats.counter(prefix + "downstream_pre_cx_timeout")
        self.filter_error = worker.stats.counter(prefix + "downstream_listener_filter_error")
        self.filter_remote_close = worker.stats.counter(prefix + "downstream_listener_filter_remote_close")
        self.no_filter_chain_match = worker.stats.counter(prefix + "no_filter_chain_match")
        self.tls = TlsStats(worker.stats, prefix)


class RuntimeListener:
    """``hand_offs`` is every listener by address, for connections that were redirected to this one."""

    def __init__(
        self,
        model: Listener,
        chains: Mapping[str, RuntimeChain],
        worker: Worker,
        hand_offs: Mapping[Address, RuntimeListener],
    ) -> None:
        self.worker = worker
        self.stats = ListenerStats(worker, model)
        self._hand_offs = hand_offs
        self._server: asyncio.AbstractServer | None = None
        self._socket: socket.socket | None = None
        self._take(model, chains)

    def _take(self, model: Listener, chains: Mapping[str, RuntimeChain]) -> None:
        self.model = model
        self.chains = dict(chains)
        self._chosen: dict[Hashable, RuntimeChain | None] = {}
        default = (model.default_filter_chain,) if model.default_filter_chain is not None else ()
        self.inspects_tls = model.inspect_tls or needs_tls_inspector((*model.filter_chains, *default))
        self.asks_original_dst = model.use_original_dst or model.original_dst

    # what a connection asks

    def hand_off(self, info: ConnectionInfo) -> RuntimeListener:
        """The listener of the original destination: its very address, then any address with its port."""
        if self.model.use_original_dst and info.original_dst is not None:
            port = info.original_dst[1]
            found = self._hand_offs.get(info.original_dst) or self._hand_offs.get(("0.0.0.0", port))
            if found is not None:
                return found
        return self

    def inspects_tls_on(self, port: int) -> bool:
        return self.inspects_tls and port not in self.model.tls_inspector_off

    def inspects_http_on(self, port: int) -> bool:
        model = self.model
        return model.inspect_http and (not model.http_inspector_on or port in model.http_inspector_on)

    def choose(self, info: ConnectionInfo) -> RuntimeChain | None:
        """Remembered by all that a match can ask for: who connects comes again, and TLS asks twice."""
        key = (info.local, info.server_name, info.transport_protocol, info.application_protocols)
        try:
            return self._chosen[key]
        except KeyError:
            model = self.model
            chain = choose_chain(model.filter_chains, model.default_filter_chain, info)
            found = self.chains[chain.name] if chain is not None else None
            return remember(self._chosen, key, found, MAX_CHOICES)

    # what configuration does

    def update(self, model: Listener, chains: Mapping[str, RuntimeChain]) -> None:
        """Take a new model for the same address."""
        before = self.chains
        self._take(model, chains)
        for chain in before.values():
            for connection in list(chain.live):
                chain.hand_over(connection, self.choose(connection.info))

    def has_address_of(self, model: Listener) -> bool:
        """Whether the socket (or the lack of one) can stay under this model."""
        mine = self.model
        return (mine.address, mine.port, mine.bind_to_port) == (model.address, model.port, model.bind_to_port)

    def bind(self) -> None:
        """Open the socket, so that connections queue from now on. Raises Rejected when it cannot be had."""
        opened: socket.socket | None = None
        try:
            opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self.worker.workers > 1:  # the kernel spreads connections over them
                opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            opened.bind((self.model.address, self.model.port))
            opened.listen(BACKLOG)
            opened.setblocking(False)
        except OSError as error:
            if opened is not None:
                opened.close()
            where = f"{self.model.address}:{self.model.port}"
            raise Rejected(f"listener {self.model.name}: cannot bind {where}: {error.strerror}") from None
        self._socket = opened
        self.worker.own_addresses.add(opened.getsockname())

    def start(self) -> None:
        """Begin to accept."""
        if self._socket is not None and self._server is None:
            self.worker.spawn(self._serve(self._socket), f"listen {self.model.name}")

    async def _serve(self, bound: socket.socket) -> None:
        server = await self.worker.loop.create_server(
            lambda: AcceptedConnection(self), sock=bound, backlog=BACKLOG
        )
        if self._socket is None:
            server.close()  # stopped while it started
        else:
            self._server = server

    @property
    def bound_address(self) -> Address | None:
        return self._socket.getsockname() if self._socket is not None else None

    def stop(self) -> None:
        """Accept no more; what is connected stays."""
        bound, self._socket = self._socket, None
        if bound is not None:
            self.worker.own_addresses.discard(bound.getsockname())
        if self._server is not None:
            self._server.close()
            self._server = None
        elif bound is not None:
            bound.close()

    def drain(self) -> None:
        """What was accepted here has to go."""
        self.for_each_connection(lambda connection: connection.drain())

    def ask_to_leave(self) -> None:
        """The whole proxy is going: who can be told is told, byte streams may go on until the end."""
        self.for_each_connection(lambda connection: connection.ask_to_leave())

    def close_idle(self, now: float) -> None:
        self.for_each_connection(lambda connection: connection.close_idle(now))

    def for_each_connection(self, act: Callable[..., None]) -> None:
        for chain in self.chains.values():
            for connection in list(chain.live):
                act(connection)

    def count_connections(self) -> int:
        return sum(len(chain.live) for chain in self.chains.values())
