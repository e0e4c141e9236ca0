"""What one proxy is owed next: the server's side of a whole ADS stream, as a pure state machine.

Order is make before break, so that no request ever meets a route to what is not there yet, or no more:

    1 CDS   the new clusters, and still the ones about to go
    2 EDS   always after a changed CDS, even unchanged: Envoy warms a changed cluster until endpoints
            come again, 15 s without (xds-notes, pitfall a)
            ... until the proxy has answered both: Envoy holds its CDS ACK back until clusters are warm
    3 LDS
    4 RDS
            ... until the proxy has taken both
    5 CDS   without the clusters that nobody refers to any more (and EDS, for reason 2)

SDS waits for nothing: clusters and listeners that name a secret warm until it is there, each at its time.

``push`` only replaces what is wanted, so whatever a slow proxy had not been sent yet is never sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mesh.xds.codec.codec import TYPE_URLS
from mesh.xds.snapshot import Chunk, Chunks, Snapshot, content_version, empty_assignment, response
from mesh.xds.source import TYPES, TypeStatus
from mesh.xds.subscription import Request, ServerSubscription, Verdict

TYPE_NAMES = {url: name for name, url in TYPE_URLS.items()}

_WILDCARDS = ("CDS", "LDS")
_NONE: Mapping[str, Chunks] = {"CDS": {}, "EDS": {}}


def _subscriptions() -> dict[str, ServerSubscription]:
    return {name: ServerSubscription(may_be_wildcard=name in _WILDCARDS) for name in TYPES}


@dataclass(slots=True)
class Delivery:
    """``acked_generation`` is the newest one of which the proxy serves everything, None before the first."""

    acked_generation: int | None = None
    _generation: int = 0
    _wanted: Snapshot | None = None
    _retained: Mapping[str, Chunks] = field(default_factory=lambda: _NONE)
    _sent: dict[str, Chunks] = field(default_factory=lambda: {"CDS": {}, "EDS": {}})  # the newest of each
    _subscriptions: dict[str, ServerSubscription] = field(default_factory=_subscriptions)
    _contents: dict[str, tuple[str, tuple[Chunk, ...]]] = field(default_factory=dict)

    def push(self, snapshot: Snapshot, generation: int) -> None:
        """This is what the proxy should have from now on."""
        self._retained = self._going(snapshot)
        self._wanted, self._generation = snapshot, generation
        self._contents.clear()
        self._note_progress()

    def receive(self, type_name: str, request: Request) -> Verdict:
        """Take a request of the proxy's."""
        verdict = self._subscriptions[type_name].receive(request)
        if verdict != "stale":
            self._contents.pop(type_name, None)
            self._note_progress()
        return verdict

    def next_response(self) -> bytes | None:
        """The serialised response that is due now, None when the proxy's answer must come first or
        nothing is due. Its content counts as sent.
        """
        if self._wanted is None:
            return None
        due = self._due()
        if due is None and self._retained is not _NONE and self._taken("LDS") and self._taken("RDS"):
            self._retained = _NONE
            self._contents.clear()
            self._note_progress()
            due = self._due()
        return None if due is None else self._send(due)

    def status(self) -> dict[str, TypeStatus]:
        return {name: self._status(name) for name in TYPES}

    # --- inside

    def _due(self) -> str | None:
        for name in ("CDS", "EDS", "SDS"):
            if self._wants(name):
                return name
        if self._subscriptions["CDS"].settled and self._subscriptions["EDS"].settled:
            for name in ("LDS", "RDS"):
                if self._wants(name):
                    return name
        return None

    def _send(self, name: str) -> bytes:
        version, chunks = self._content(name)
        nonce = self._subscriptions[name].send(version)
        if name in self._sent:
            self._sent[name] = {chunk.name: chunk for chunk in chunks}
        if name == "CDS":
            self._subscriptions["EDS"].owe()
        return response(name, version, nonce, chunks)

    def _wants(self, name: str) -> bool:
        subscription = self._subscriptions[name]
        return subscription.active and subscription.wants(self._content(name)[0])

    def _taken(self, name: str) -> bool:
        """The proxy serves what is wanted of this type, as far as it has asked."""
        return self._subscriptions[name].accepted and not self._wants(name)

    def _content(self, name: str) -> tuple[str, tuple[Chunk, ...]]:
        """(version, chunks in the order of their names) of what this proxy asked for."""
        if name not in self._contents:
            chunks = self._chosen(name, self._subscriptions[name].names)
            self._contents[name] = content_version(chunks), chunks
        return self._contents[name]

    def _chosen(self, name: str, names: frozenset[str] | None) -> tuple[Chunk, ...]:
        assert self._wanted is not None
        known = {**self._retained.get(name, {}), **self._wanted.chunks[name]}
        if names is None:
            return tuple(known[each] for each in sorted(known))
        if name == "EDS":
            return tuple(known.get(each) or empty_assignment(each) for each in sorted(names))
        return tuple(known[each] for each in sorted(names) if each in known)

    def _going(self, wanted: Snapshot) -> Mapping[str, Chunks]:
        """The clusters that the proxy was sent and that are wanted no more, with their endpoints."""
        clusters = {name: it for name, it in self._sent["CDS"].items() if name not in wanted.chunks["CDS"]}
        endpoints = {name: it for name, it in self._sent["EDS"].items() if name in clusters}
        return {"CDS": clusters, "EDS": endpoints} if clusters else _NONE

    def _note_progress(self) -> None:
        if self._wanted is not None and self._retained is _NONE and all(map(self._is_synced, TYPES)):
            self.acked_generation = self._generation

    def _is_synced(self, name: str) -> bool:
        """Taken, and asked for as far as the wanted snapshot needs it to be."""
        subscription = self._subscriptions[name]
        if not self._taken(name):
            return False
        if name in _WILDCARDS:
            return bool(subscription.sent_nonce)
        assert self._wanted is not None
        if self._subscriptions["CDS"].names is not None:
            return True  # a client that asks for single clusters needs only what it asks for
        return subscription.names is None or self._wanted.needed[name] <= subscription.names

    def _status(self, name: str) -> TypeStatus:
        subscription = self._subscriptions[name]
        if not subscription.active:
            return TypeStatus("IGNORED")
        told = (
            subscription.sent_version,
            subscription.sent_nonce,
            subscription.acked_nonce,
            subscription.error,
        )
        if subscription.error:
            return TypeStatus("ERROR", *told)
        if not subscription.sent_nonce:
            return TypeStatus("NOT SENT", *told)
        return TypeStatus("SYNCED" if self._taken(name) else "STALE", *told)
