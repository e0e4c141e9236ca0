"""A client's side of TLS: a connection that is made, and its handshake."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial

from mesh.proxy.handshake import HandshakeError
from mesh.proxy.tls import TlsConnection
from mesh.proxy.tls_session import TlsSession


async def connect_tls(
    loop: asyncio.AbstractEventLoop,
    address: tuple[str, int],
    context: ssl.SSLContext,
    server_name: str,
    refusal: Callable[[ssl.SSLObject], str] | None = None,
    resumption: TlsSession | None = None,
) -> TlsConnection:
    """A connection whose handshake is done, for a protocol to be attached to. "": the server is told no name.
    ``resumption`` holds what was agreed on with this server before, and will hold it of this connection.

    Raises HandshakeError, and OSError when there is no connection at all.
    """
    ready: asyncio.Future[TlsConnection] = loop.create_future()

    def succeeded(connection: TlsConnection) -> None:
        if not ready.done():
            ready.set_result(connection)

    def failed(error: HandshakeError) -> None:
        if not ready.done():
            ready.set_exception(error)

    # as bytes it goes as it is: in a text the ssl module looks for what IDNA would change
    name = server_name.encode() if server_name.isascii() else server_name
    offer = partial(resumption.offer, context, server_name) if resumption is not None else None
    transport, _ = await loop.create_connection(
        lambda: TlsConnection(
            context,
            server_side=False,
            on_ready=succeeded,
            on_failed=failed,
            server_name=name or None,
            refusal=refusal,
            offer=offer,
        ),
        *address,
    )
    try:
        return await ready
    except BaseException:
        transport.abort()
        raise
