"""Making a connection to an endpoint: TCP, then TLS and the check of the peer's SPIFFE id if asked for.

Nothing of a request is sent before ``connect`` returned, so whatever fails here surely did not happen.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from mesh.proxy.failure import CONNECTION_TIMEOUT, Failure, connection_failure
from mesh.proxy.handshake import HandshakeError
from mesh.proxy.peer_certificate import NO_CERTIFICATE, peer_certificate
from mesh.proxy.tls_client import connect_tls
from mesh.proxy.tls_contexts import NoCertificate

if TYPE_CHECKING:
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.host import Host

P = TypeVar("P", bound=asyncio.Protocol)


class DialError(Exception):
    """No connection; ``failure`` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.transport_reason or failure.kind.value)
        self.failure = failure


async def connect(
    cluster: RuntimeCluster, host: Host, make: Callable[[str], P], alpn: tuple[str, ...] | None = None
) -> P:
    """A connection for requests, counted. Otherwise as ``open_connection``."""
    stats = cluster.stats
    stats.cx_total.value += 1
    host.connections += 1
    try:
        return await open_connection(cluster, host, make, alpn)
    except DialError as error:
        if error.failure is CONNECTION_TIMEOUT:
            stats.cx_connect_timeout.value += 1
        stats.cx_connect_fail.value += 1
        host.connect_fail += 1
        raise


async def open_connection(
    cluster: RuntimeCluster, host: Host, make: Callable[[str], P], alpn: tuple[str, ...] | None = None
) -> P:
    """``make`` gets the peer's principal ("" in plaintext) and makes the protocol. Raises DialError.

    ``alpn`` is what TLS offers instead of what the cluster says.
    """
    task = asyncio.current_task()
    assert task is not None
    timer = cluster.worker.timers.after(cluster.model.connect_timeout_s, lambda: _cancel(task))
    try:
        if host.uses_tls:
            return await _connect_tls(cluster, host, make, alpn)
        transport, protocol = await cluster.worker.loop.create_connection(lambda: make(""), *host.address)
        _keep_alive(cluster, transport)
        return protocol
    except asyncio.CancelledError:
        if timer.callback is not None or task.uncancel():
            raise  # somebody else's, or theirs as well
        failure = CONNECTION_TIMEOUT
    except OSError as error:
        failure = connection_failure(_reason(error))
    except (HandshakeError, NoCertificate) as error:
        failure = connection_failure(str(error))
    finally:
        timer.callback = None
    raise DialError(failure)


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


async def _connect_tls(
    cluster: RuntimeCluster, host: Host, make: Callable[[str], P], alpn: tuple[str, ...] | None
) -> P:
    worker, tls = cluster.worker, cluster.model.tls
    assert tls is not None
    if alpn is not None:
        tls = replace(tls, alpn=alpn)

    peer = NO_CERTIFICATE

    def refusal(connection: ssl.SSLObject) -> str:
        nonlocal peer
        peer = peer_certificate(connection)
        return "" if peer.matches(cluster.allowed_peers) else peer.mismatch()

    context = worker.contexts.client(tls)
    try:
        secured = await connect_tls(
            worker.loop, host.address, context, tls.sni, refusal, resumption=host.tls_session
        )
    except HandshakeError as error:
        cluster.stats.tls.failed(error)
        raise
    _keep_alive(cluster, secured.raw)
    cluster.stats.tls.secured(secured.ssl_object, peer)
    protocol = make(peer.principal)
    secured.attach(protocol)
    return protocol


def _keep_alive(cluster: RuntimeCluster, transport: asyncio.BaseTransport) -> None:
    """TCP's probes, which find out that the other side has vanished without a word."""
    keepalive = cluster.model.tcp_keepalive
    if keepalive is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is None:
        return  # closed already
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPCNT, keepalive.probes),
        (socket.TCP_KEEPIDLE, keepalive.time_s),
        (socket.TCP_KEEPINTVL, keepalive.interval_s),
    ):
        if value is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _reason(error: OSError) -> str:
    """Envoy's words for a failed connect()."""
    number = error.errno or errno.ECONNREFUSED
    return f"delayed connect error: {os.strerror(number)}" if number > 0 else str(error)
