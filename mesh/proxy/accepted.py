"""A connection that was just accepted, until it is known what it is.

accept -> original destination -> the listener it is meant for -> (first bytes: TLS? for whom?)
       -> the filter chain -> (TLS handshake) -> the protocol that stays
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from mesh.proxy.connection_info import ConnectionInfo, address_text
from mesh.proxy.original_dst import original_destination
from mesh.proxy.peer_certificate import client_cert_element, principal
from mesh.proxy.sniff import MAX_HELLO_BYTES, ClientHello, looks_like_tls, read_client_hello
from mesh.proxy.tls import TlsConnection
from mesh.proxy.tls_contexts import NoCertificate

if TYPE_CHECKING:
    from mesh.proxy.chain import RuntimeChain
    from mesh.proxy.listener import RuntimeListener

# How long a client may take to say what it speaks, and then for its handshake (Envoy's defaults).
FIRST_BYTES_TIMEOUT_S = 15.0
HANDSHAKE_TIMEOUT_S = 15.0


class AcceptedConnection(asyncio.Protocol):
    """Replaced by another protocol as soon as the filter chain is chosen."""

    def __init__(self, listener: RuntimeListener) -> None:
        self.listener = listener
        self.info = ConnectionInfo()
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._received = b""
        self._waiting: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.listener.stats.cx_total.value += 1
        if not self.listener.worker.overload.admits(transport.get_extra_info("socket").fileno()):
            self.listener.stats.cx_overload_reject.value += 1
            self.transport.abort()
            return
        self._look_at_addresses()
        self.listener = self.listener.hand_off(self.info)
        if self.listener.needs_bytes:
            after = self.listener.worker.timers.after
            self._waiting = after(FIRST_BYTES_TIMEOUT_S, self.transport.abort)
        else:
            self._choose()

    def _look_at_addresses(self) -> None:
        info, transport = self.info, self.transport
        local = transport.get_extra_info("sockname")[:2]
        if self.listener.asks_original_dst:
            info.original_dst = original_destination(transport.get_extra_info("socket"))
        info.local = info.original_dst or local
        info.local_text = address_text(info.local)
        info.remote_text = address_text(transport.get_extra_info("peername"))

    def data_received(self, data: bytes) -> None:
        received = self._received = self._received + data
        if looks_like_tls(received):
            try:
                hello = read_client_hello(received)
            except ValueError:
                hello = ClientHello()  # whoever ends this TLS will say what is wrong with it
            if hello is None and len(received) < MAX_HELLO_BYTES:
                return
            hello = hello or ClientHello()
            self.info.transport_protocol = "tls"
            self.info.server_name = hello.server_name
            self.info.application_protocols = hello.application_protocols
        self._choose()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.callback = None
            self._waiting = None

    def _choose(self) -> None:
        self._stop_waiting()
        chain = self.listener.choose(self.info)
        if chain is None:
            self.listener.stats.no_filter_chain_match.value += 1
            self.transport.abort()
        elif chain.tls is not None:
            self._begin_tls(chain)
        else:
            self._become(chain.make_protocol(self.info))

    def _become(self, protocol: asyncio.Protocol) -> None:
        """What was read so far is the new protocol's first input."""
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        received, self._received = self._received, b""
        if received:
            protocol.data_received(received)

    def _begin_tls(self, chain: RuntimeChain) -> None:
        assert chain.tls is not None
        worker = self.listener.worker
        if self.info.transport_protocol != "tls":
            self.listener.stats.ssl_error.value += 1
            self.transport.abort()
            return
        try:
            context = worker.contexts.server(chain.tls)
        except NoCertificate:
            self.transport.abort()
            return
        self._waiting = worker.timers.after(HANDSHAKE_TIMEOUT_S, self.transport.abort)
        self._become(
            TlsConnection(context, server_side=True, on_ready=self._secured, on_failed=self._not_secured)
        )

    def _not_secured(self, reason: str) -> None:
        self._stop_waiting()
        self.listener.stats.ssl_error.value += 1

    def _secured(self, connection: TlsConnection) -> None:
        """The handshake is done. The configuration may have changed meanwhile: choose again."""
        self._stop_waiting()
        info, worker = self.info, self.listener.worker
        chain = self.listener.choose(info)
        if chain is None or chain.tls is None:
            connection.abort()
            return
        self.listener.stats.ssl_handshake.value += 1
        secured = connection.ssl_object
        info.tls_version = secured.version() or ""
        info.scheme = b"https"
        info.application_protocol = secured.selected_alpn_protocol() or ""
        info.peer_principal = principal(secured)
        info.local_principal = worker.own_principal
        info.client_cert = client_cert_element(secured, worker.own_principal)
        connection.attach(chain.make_protocol(info))
