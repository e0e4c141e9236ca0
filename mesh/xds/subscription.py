"""One type of one ADS stream, state of the world, seen from either end. No I/O.

    client                                      server
    request   names                     ---->   remembers the names, owes a response
              <---- response   version, nonce, resources
    ACK       names, version, nonce     ---->   the content of that nonce is served
    NACK      names, old version, nonce, error  ---->   refused; the older content goes on being served

A nonce names one response. A request that carries an older nonce than the last one sent crossed it on the
way: it is stale, and its sender will answer the newer response too (xDS protocol, "ACK and NACK").
Versions are hashes of content, so a control plane that starts anew never reuses one for other content.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

WILDCARD: Final = "*"

# what a request turned out to be
Verdict = Literal["subscribed", "acked", "nacked", "updated", "stale"]


@dataclass(frozen=True, slots=True)
class Request:
    """A DiscoveryRequest without its node. ``error`` is set in a NACK; ``version`` is then the older one."""

    type_url: str
    names: tuple[str, ...] = ()
    version: str = ""
    nonce: str = ""
    error: str | None = None


@dataclass(slots=True)
class ServerSubscription:
    """What a proxy asked for and what it was told. ``names`` None: everything (a wildcard)."""

    may_be_wildcard: bool  # CDS and LDS: no names mean all of them
    active: bool = False  # the proxy has asked
    names: frozenset[str] | None = frozenset()
    sent_version: str = ""
    sent_nonce: str = ""
    acked_nonce: str = ""
    error: str = ""  # the proxy's words about the newest content sent, when it refused it
    _owed: bool = False
    _count: int = 0

    def receive(self, request: Request) -> Verdict:
        """Take a request. "updated": the names changed, and nothing was said about a response."""
        if not self.active:
            self.active = self._owed = True
            self.names = self._names(request.names)
            return "subscribed"
        if request.nonce != self.sent_nonce:
            return "stale"
        already = self.acked_nonce
        self._rename(self._names(request.names))
        if request.error is not None:
            self.error = request.error or "refused without a reason"
            return "nacked"
        if request.version != self.sent_version:
            return "updated"
        self.acked_nonce, self.error = self.sent_nonce, ""
        return "updated" if already == self.sent_nonce else "acked"

    def owe(self) -> None:
        """Make the next ``wants`` true even if the content stays as it is."""
        self._owed = self.active and self.names != frozenset()

    def wants(self, version: str) -> bool:
        """Whether content of that version is to be sent."""
        return self.active and (self._owed or (version != self.sent_version and self.names != frozenset()))

    def send(self, version: str) -> str:
        """The content goes out now; the answer is its nonce."""
        self._count += 1
        self._owed = False
        self.sent_version, self.sent_nonce, self.error = version, str(self._count), ""
        return self.sent_nonce

    @property
    def accepted(self) -> bool:
        """The newest response was ACKed (or none was due)."""
        return self.acked_nonce == self.sent_nonce

    @property
    def settled(self) -> bool:
        """The newest response was answered, one way or the other."""
        return self.accepted or bool(self.error)

    def _names(self, names: Iterable[str]) -> frozenset[str] | None:
        asked = frozenset(names)
        return None if WILDCARD in asked or (not asked and self.may_be_wildcard) else asked

    def _rename(self, names: frozenset[str] | None) -> None:
        """Who asks for nothing any more answers nothing either: Envoy is silent about a response that
        crossed its unsubscription, so that one counts as taken.
        """
        added = names is None or not names <= (self.names or frozenset())
        if names != self.names and added:
            self._owed = True
        self.names = names
        if names == frozenset():
            self.acked_nonce, self.error, self._owed = self.sent_nonce, "", False


@dataclass(slots=True)
class ClientSubscription:
    """What we asked for and last took. ``names`` None: not asked yet; empty: everything (a wildcard)."""

    type_url: str
    names: tuple[str, ...] | None = None
    version: str = ""  # of the newest content taken
    nonce: str = ""  # of the newest response received on this stream
    _received_version: str = ""

    def subscribe(self, names: Iterable[str] = ()) -> Request | None:
        """Ask for these; None when they are what was asked for already."""
        wanted = tuple(sorted(names))
        if wanted == self.names:
            return None
        self.names = wanted
        return self._request()

    def reopen(self) -> Request | None:
        """On a new stream: nonces start again, the version tells what we still serve."""
        self.nonce = ""
        return None if self.names is None else self._request()

    def receive(self, version: str, nonce: str) -> None:
        self._received_version, self.nonce = version, nonce

    def ack(self) -> Request:
        self.version = self._received_version
        return self._request()

    def nack(self, error: str) -> Request:
        return self._request(error)

    def _request(self, error: str | None = None) -> Request:
        return Request(self.type_url, self.names or (), self.version, self.nonce, error)
