"""The TLS session agreed on with a host, for the next connections to it, which then sign and verify nothing.

One a host, as Envoy's default ``max_session_keys: 1``, offered until the host does not take it any more. RFC
8446 C.4 would have each offered once, so that nobody can see who comes again; between sidecars the addresses
show that anyhow.

A host that comes again with a new configuration finds the session it had (``Worker.tls_sessions``).

A session belongs to the SSL context it was made in: when certificates or roots change there are new
contexts (tls_contexts), so whatever was believed under the old ones is asked for again. The peer's
certificate stays in the session, and the name in it is checked on every connection.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from weakref import WeakValueDictionary

from mesh.model.tls import UpstreamTls
from mesh.proxy.openssl import Session, made_last, session_of


class TlsSession:
    __slots__ = ("__weakref__", "_context", "_server_name", "_session")

    def __init__(self) -> None:
        self._context: ssl.SSLContext | None = None
        self._server_name = ""
        self._session: Session | None = None

    def offer(
        self, context: ssl.SSLContext, server_name: str, connection: ssl.SSLObject
    ) -> Callable[[ssl.SSLObject], None]:
        """To a connection that was just made, if it was kept of one in this context, with a server asked for
        by this name. What is returned is to be called once the server has spoken.
        """
        offered = self._known(context, server_name)
        made = made_last()
        if offered is not None:
            offered.offer(connection)
        return partial(self._keep, context, server_name, offered, made)

    def _known(self, context: ssl.SSLContext, server_name: str) -> Session | None:
        return self._session if context is self._context and server_name == self._server_name else None

    def _keep(
        self,
        context: ssl.SSLContext,
        server_name: str,
        offered: Session | None,
        made: int,
        connection: ssl.SSLObject,
    ) -> None:
        """Its ticket comes after the handshake (RFC 8446 4.6.1). Of many connections that were made at the
        same time, and came with the same, the first is asked.
        """
        if not connection.session_reused and self._known(context, server_name) is offered:
            self._context, self._server_name = context, server_name
            self._session = session_of(connection, made)


# of each address, as long as a host of any configuration has it
TlsSessions = WeakValueDictionary[tuple[tuple[str, int], UpstreamTls], TlsSession]
