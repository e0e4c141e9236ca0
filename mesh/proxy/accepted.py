"""A connection that was just accepted, until it is known what it is.

accept -> original destination -> the listener it is meant for -> (first bytes: TLS? for whom? HTTP?)
       -> the filter chain -> (TLS handshake) -> the protocol that stays

Only a listener that inspects waits for bytes, and not for ever (Envoy's listener_filters_timeout): where the
server speaks first, the client's silence is all there is to go by.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from mesh.model.names import WORKLOAD_SECRET
from mesh.proxy.connection_info import ConnectionInfo, address_text
from mesh.proxy.handshake import HandshakeError
from mesh.proxy.original_dst import original_destination
from mesh.proxy.peer_certificate import peer_certificate
from mesh.proxy.sniff import MAX_HELLO_BYTES, ClientHello, looks_like_tls, read_client_hello
from mesh.proxy.sniff_http import MAX_LINE_BYTES, sniff_http
from mesh.proxy.tls import TlsConnection
from mesh.proxy.tls_contexts import NoCertificate

if TYPE_CHECKING:
    from mesh.proxy.chain import RuntimeChain
    from mesh.proxy.listener import RuntimeListener

LISTENER_FILTERS_TIMEOUT_S = 15.0  # Envoy's default
HANDSHAKE_TIMEOUT_S = 15.0  # Envoy has no limit of its own; a client that never finishes costs memory


class AcceptedConnection(asyncio.Protocol):
    """Replaced by another protocol as soon as the filter chain is chosen."""

    def __init__(self, listener: RuntimeListener) -> None:
        self.listener = listener
        self.info = ConnectionInfo()
        self.transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._received = b""
        self._waiting: Any = None
        self._inspects_tls = self._inspects_http = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.listener.stats.cx_total.value += 1
        if not self.listener.worker.overload.admits(transport.get_extra_info("socket").fileno()):
            self.listener.stats.cx_overload_reject.value += 1
            self.transport.abort()
            return
        self._look_at_addresses()
        self.listener = self.listener.hand_off(self.info)
        port = self.info.local[1]
        self._inspects_tls = self.listener.inspects_tls_on(port)
        self._inspects_http = self.listener.inspects_http_on(port)
        if self._inspects_tls or self._inspects_http:
            self._wait_for_bytes()
        else:
            self._choose()

    def _wait_for_bytes(self) -> None:
        timeout_s = self.listener.model.listener_filters_timeout_s
        if timeout_s is None:
            timeout_s = LISTENER_FILTERS_TIMEOUT_S
        if timeout_s:
            self._waiting = self.listener.worker.timers.after(timeout_s, self._silent)

    def _silent(self) -> None:
        """The client has not said enough in time."""
        self.listener.stats.pre_cx_timeout.value += 1
        if self.listener.model.continue_on_listener_filters_timeout:
            self._choose()
        else:
            self.transport.abort()

    def _look_at_addresses(self) -> None:
        info, transport = self.info, self.transport
        local = transport.get_extra_info("sockname")[:2]
        if self.listener.asks_original_dst:
            info.original_dst = original_destination(transport.get_extra_info("socket"))
        info.local = info.original_dst or local
        info.local_text = address_text(info.local)
        info.remote_text = address_text(transport.get_extra_info("peername"))

    def data_received(self, data: bytes) -> None:
        """Each inspector in turn looks at all that has come so far, until it knows."""
        received = self._received = self._received + data
        if self._inspects_tls:
            if self._is_tls_undecided(received):
                return
            self._inspects_tls = False
        if self._inspects_http and self.info.transport_protocol != "tls":
            found = sniff_http(received)
            if found is None:
                if len(received) >= MAX_LINE_BYTES:
                    self.listener.stats.filter_error.value += 1
                    self.transport.abort()
                return
            self.info.application_protocols = (found,) if found else ()
        self._choose()

    def _is_tls_undecided(self, received: bytes) -> bool:
        if not looks_like_tls(received):
            return False
        try:
            hello = read_client_hello(received)
        except ValueError:
            hello = ClientHello()  # whoever ends this TLS will say what is wrong with it
        if hello is None and len(received) < MAX_HELLO_BYTES:
            return True
        hello = hello or ClientHello()
        self.info.transport_protocol = "tls"
        self.info.server_name = hello.server_name
        self.info.application_protocols = hello.application_protocols
        self.info.offers_session = hello.offers_session
        return False

    def eof_received(self) -> None:
        """The client left before it said what it speaks."""
        self.listener.stats.filter_remote_close.value += 1

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
        try:
            context = worker.contexts.server(chain.tls, offers_session=self.info.offers_session)
        except NoCertificate:
            self.transport.abort()
            return
        self._waiting = worker.timers.after(HANDSHAKE_TIMEOUT_S, self.transport.abort)
        own = worker.own_principal if chain.tls.certificate == WORKLOAD_SECRET else ""
        self.info.local_principal = own
        failed = partial(self._not_secured, chain)
        self._become(TlsConnection(context, server_side=True, on_ready=self._secured, on_failed=failed))

    def _not_secured(self, chain: RuntimeChain, error: HandshakeError) -> None:
        self._stop_waiting()
        self.listener.stats.tls.failed(error)
        chain.report_unserved(self.info)

    def _secured(self, connection: TlsConnection) -> None:
        """The handshake is done. The configuration may have changed meanwhile: choose again."""
        self._stop_waiting()
        info = self.info
        chain = self.listener.choose(info)
        if chain is None or chain.tls is None:
            connection.abort()
            return
        secured = connection.ssl_object
        peer = peer_certificate(secured)
        self.listener.stats.tls.secured(secured, peer)
        info.tls_version = secured.version() or ""
        info.scheme = b"https"
        info.application_protocol = secured.selected_alpn_protocol() or ""
        info.peer_principal = peer.principal
        info.client_cert = peer.element(info.local_principal, with_pem=chain.forwards_client_pem)
        connection.attach(chain.make_protocol(info))
