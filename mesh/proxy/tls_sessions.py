"""The TLS sessions of the last connections to a host, for the next ones, which then sign and verify nothing.

Each is offered once (RFC 8446 C.4), and each connection brings one. Envoy keeps one a host (its default
``max_session_keys: 1``); we keep some, because connections come in crowds: with one, of 32 made at the same
time 31 pay for whole handshakes. A session belongs to the SSL context it was made in: when certificates or
roots change there are new contexts (tls_contexts), so whatever was believed under the old ones is asked for
again. The peer's certificate stays in the session, and the name in it is checked on every connection.
"""

from __future__ import annotations

import ssl
from collections import deque

MAX_KEPT = 32  # a host; some kB each


class TlsSessions:
    __slots__ = ("_context", "_kept", "_server_name")

    def __init__(self) -> None:
        self._context: ssl.SSLContext | None = None
        self._server_name = ""
        self._kept: deque[ssl.SSLSession] = deque(maxlen=MAX_KEPT)

    def take(self, context: ssl.SSLContext, server_name: str) -> ssl.SSLSession | None:
        """What can be resumed, if it was made in this context and with a server asked for by this name."""
        self._belong_to(context, server_name)
        return self._kept.pop() if self._kept else None

    def keep(self, context: ssl.SSLContext, server_name: str, connection: ssl.SSLObject) -> None:
        """Once the server has spoken: its ticket comes after the handshake (RFC 8446 4.6.1)."""
        session = connection.session
        if session is not None and session.has_ticket:
            self._belong_to(context, server_name)
            self._kept.append(session)

    def _belong_to(self, context: ssl.SSLContext, server_name: str) -> None:
        """Those of another context or server are let go."""
        if context is not self._context or server_name != self._server_name:
            self._kept.clear()
            self._context, self._server_name = context, server_name
