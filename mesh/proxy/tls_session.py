"""The TLS session agreed on with a host, for the next connections to it, which then sign and verify nothing.

One a host, as Envoy's default ``max_session_keys: 1``, offered until the host does not take it any more. RFC
8446 C.4 would have each offered once, so that nobody can see who comes again; between sidecars the addresses
show that anyhow. And CPython's ``SSLObject.session`` never gives back the 6 kB that it copies, so it is asked
once and not for each connection.

A host that comes again with a new configuration finds the session it had (``Worker.tls_sessions``).

A session belongs to the SSL context it was made in: when certificates or roots change there are new
contexts (tls_contexts), so whatever was believed under the old ones is asked for again. The peer's
certificate stays in the session, and the name in it is checked on every connection.
"""

from __future__ import annotations

import ssl
from weakref import WeakValueDictionary

from mesh.model.tls import UpstreamTls


class TlsSession:
    __slots__ = ("__weakref__", "_context", "_server_name", "_session")

    def __init__(self) -> None:
        self._context: ssl.SSLContext | None = None
        self._server_name = ""
        self._session: ssl.SSLSession | None = None

    def offered(self, context: ssl.SSLContext, server_name: str) -> ssl.SSLSession | None:
        """What can be resumed, if it was made in this context and with a server asked for by this name."""
        return self._session if context is self._context and server_name == self._server_name else None

    def keep(
        self,
        context: ssl.SSLContext,
        server_name: str,
        offered: ssl.SSLSession | None,
        connection: ssl.SSLObject,
    ) -> None:
        """Once the server has spoken: its ticket comes after the handshake (RFC 8446 4.6.1). ``offered`` is
        what this connection came with: of many that were made at the same time, the first is asked.
        """
        if connection.session_reused or self.offered(context, server_name) is not offered:
            return
        session = connection.session
        self._context, self._server_name = context, server_name
        self._session = session if session is not None and session.has_ticket else None


# of each address, as long as a host of any configuration has it
TlsSessions = WeakValueDictionary[tuple[tuple[str, int], UpstreamTls], TlsSession]
