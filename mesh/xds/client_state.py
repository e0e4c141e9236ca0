"""The proxy's side of a whole ADS stream, as a state machine: responses in, requests out.

A response is taken in three steps: decode it, settle what can be served now, hand that over (``apply``).
It is ACKed when everything in it is served, which for a listener may be two responses later. It is NACKed
when it cannot be decoded, or when ``apply`` refuses what it made possible; then the older content stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from google.protobuf import any_pb2

from mesh.model.resources import Resources
from mesh.xds.codec.codec import TYPE_URLS, Resource, decode, resource_name
from mesh.xds.errors import Rejected
from mesh.xds.references import assignment_names, route_names
from mesh.xds.secrets import secret_names
from mesh.xds.settle import Received, settle
from mesh.xds.subscription import ClientSubscription, Request

Apply = Callable[[Resources], None]

_FIELDS: Final = {
    "CDS": "clusters",
    "EDS": "endpoints",
    "SDS": "secrets",
    "LDS": "listeners",
    "RDS": "routes",
}
_WHOLE: Final = ("CDS", "LDS")  # a response holds all there is; of the others only what changed
_TYPE_NAMES: Final = {url: name for name, url in TYPE_URLS.items()}


@dataclass(slots=True)
class ClientState:
    """``apply`` raises Rejected to refuse; when it returns, the resources are being served."""

    apply: Apply
    serving: Resources = field(default_factory=Resources)
    _received: Received = field(default_factory=Received)
    _subscriptions: dict[str, ClientSubscription] = field(
        default_factory=lambda: {name: ClientSubscription(url) for name, url in TYPE_URLS.items()}
    )
    # types with a response that is neither ACKed nor NACKed, and the content it replaces
    _pending: dict[str, Mapping[str, Resource]] = field(default_factory=dict)
    _decoded: dict[str, dict[bytes, Resource]] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    @property
    def is_configured(self) -> bool:
        """Clusters and listeners have come, and all that they need: there is something to serve."""
        return {"CDS", "LDS"} <= self._taken and not self._pending

    def open(self) -> list[Request]:
        """A stream is open: what to ask first. What was received on an older one is still served."""
        self._pending.clear()
        self._subscriptions["CDS"].names = ()
        reopened = (self._subscriptions[name].reopen() for name in TYPE_URLS)
        return [request for request in reopened if request is not None]

    def receive(self, message: Any) -> list[Request]:
        """Take a DiscoveryResponse; the answer is what to send, in this order."""
        name = _TYPE_NAMES.get(message.type_url)
        if name is None:
            return []
        subscription = self._subscriptions[name]
        subscription.receive(message.version_info, message.nonce)
        try:
            content = self._decode(name, message.resources)
        except Rejected as rejected:
            return [subscription.nack(str(rejected))]
        self._pending.setdefault(name, getattr(self._received, _FIELDS[name]))
        self._replace(name, content)
        return self._advance(name)

    # --- inside

    def _decode(self, name: str, packed: Iterable[Any]) -> Mapping[str, Resource]:
        """By name. Equal bytes give the object of last time, so that ``is`` tells what changed."""
        known = self._decoded.get(name, {})
        decoded: dict[bytes, Resource] = {}
        for each in packed:
            decoded[each.value] = known.get(each.value) or _decode(each, name)
        self._decoded[name] = decoded
        content = {resource_name(resource): resource for resource in decoded.values()}
        return content if name in _WHOLE else {**getattr(self._received, _FIELDS[name]), **content}

    def _replace(self, name: str, content: Mapping[str, Resource]) -> None:
        """Put content in the place of a type's, and forget what nothing in it refers to any more."""
        changed: dict[str, Any] = {_FIELDS[name]: content}
        received = replace(self._received, **changed)
        assignments = assignment_names(received.clusters.values())
        routes = route_names(received.listeners.values())
        secrets = secret_names(received.clusters.values(), received.listeners.values())
        self._received = replace(
            received,
            secrets={name: each for name, each in received.secrets.items() if name in secrets},
            endpoints={name: each for name, each in received.endpoints.items() if name in assignments},
            routes={name: each for name, each in received.routes.items() if name in routes},
        )

    def _advance(self, newest: str) -> list[Request]:
        settled = settle(self._received, self.serving)
        released = [name for name in self._pending if name not in settled.waiting]
        if settled.resources != self.serving:
            try:
                self.apply(settled.resources)
            except Rejected as rejected:
                return [self._refuse(name, str(rejected)) for name in dict.fromkeys((newest, *released))]
            self.serving = settled.resources
        for name in released:
            del self._pending[name]
        self._taken.update(released)
        # new names go out before the ACKs, so that the server knows of them when it reads those
        return [*self._subscribe(), *(self._subscriptions[name].ack() for name in released)]

    def _refuse(self, name: str, error: str) -> Request:
        self._replace(name, self._pending.pop(name))
        return self._subscriptions[name].nack(error)

    def _subscribe(self) -> list[Request]:
        """Ask for what the received content refers to; for listeners once there are clusters."""
        asked = self._subscriptions
        endpoints = assignment_names(self._received.clusters.values())
        routes = route_names(self._received.listeners.values())
        secrets = secret_names(self._received.clusters.values(), self._received.listeners.values())
        requests = [
            asked["EDS"].subscribe(endpoints) if endpoints or asked["EDS"].names else None,
            asked["SDS"].subscribe(secrets) if secrets or asked["SDS"].names else None,
            asked["LDS"].subscribe() if "CDS" in self._taken else None,
            asked["RDS"].subscribe(routes) if routes or asked["RDS"].names else None,
        ]
        return [request for request in requests if request is not None]


def _decode(packed: Any, name: str) -> Resource:
    if packed.type_url != TYPE_URLS[name]:
        raise Rejected(f"expected {TYPE_URLS[name]}, got {packed.type_url}")
    return decode(any_pb2.Any(type_url=packed.type_url, value=packed.value))
