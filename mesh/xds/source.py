"""The line between the ADS server and the control plane behind it (pilot implements ``Source``).

    proxy connects     -> source.on_connect(connection)      (once its node is known)
    source has config  -> connection.push(resources, generation)   (at once, or whenever it changes)
    proxy answers      -> source.on_ack / on_nack(connection, "RDS", ...)
    stream ends        -> source.on_disconnect(connection, clean)

Everything is called on the event loop's thread; nothing here may block. ``push`` never blocks either: it
replaces what is to be sent, so a slow proxy is owed only the newest state.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from mesh.model.node import Node
from mesh.model.resources import Resources

# the type names of ``meshctl proxy-status``, in push order: make before break
TYPES = ("CDS", "EDS", "SDS", "LDS", "RDS")

# istioctl's words. NOT SENT: subscribed, nothing pushed yet. IGNORED: the proxy has not subscribed.
Sync = Literal["SYNCED", "STALE", "NOT SENT", "ERROR", "IGNORED"]


@dataclass(frozen=True, slots=True)
class TypeStatus:
    """How one type stands with one proxy. ``version`` is that of the newest content sent."""

    status: Sync
    version: str = ""
    sent_nonce: str = ""
    acked_nonce: str = ""
    error: str = ""  # the proxy's own words, when it refused the newest content


class Connection(Protocol):
    """One proxy's stream, as the source sees it. Hashable by identity."""

    @property
    def node(self) -> Node: ...

    @property
    def acked_generation(self) -> int | None:
        """The newest pushed generation that the proxy serves whole; None before the first."""

    def push(self, resources: Resources, generation: int) -> None:
        """Make this the proxy's configuration. Pushing what it has costs no message and is acked at once."""

    def status(self) -> Mapping[str, TypeStatus]:
        """By type name, in the order of ``TYPES``."""


class Source(Protocol):
    """What a control plane gives to be served. ``on_connect`` runs in the context of the gRPC call, so
    an interceptor's context variables (the authenticated identity) can be read there.
    """

    def on_connect(self, connection: Connection) -> None:
        """Raises Refused when this proxy may not be served; ``on_disconnect`` is then not called."""

    def on_ack(self, connection: Connection, type_name: str) -> None:
        """The proxy took the newest content of a type; ``acked_generation`` may have grown by it."""

    def on_nack(self, connection: Connection, type_name: str, message: str) -> None: ...

    def on_disconnect(self, connection: Connection, clean: bool) -> None:
        """``clean``: the proxy closed its side on purpose (it drained); otherwise the stream broke."""
