"""One SDS stream, state of the world: what was asked for, what was sent, what is owed. Pure.

Same rules as every xDS stream (xDS REST and gRPC protocol, "ACK/NACK and resource type instance version"): a
request that answers an older nonce says nothing new; versions are hashes of the content.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from mesh.model.names import ROOT_SECRET, WORKLOAD_SECRET
from mesh.model.tls import Secrets

KNOWN = (WORKLOAD_SECRET, ROOT_SECRET)


@dataclass(frozen=True, slots=True)
class Answer:
    """The secrets to send now, by name."""

    names: tuple[str, ...]
    version: str
    nonce: str


@dataclass(slots=True)
class SdsStream:
    names: tuple[str, ...] = ()
    error: str = ""  # of the last answer, when it was rejected
    _nonce: int = 0
    _sent: str = field(default="", repr=False)

    def receive(self, names: tuple[str, ...], nonce: str, error: str = "") -> None:
        """Take a request: a subscription, an ACK, or (with ``error``) a NACK."""
        if nonce != self._last_nonce:
            return
        self.error = error
        if names != self.names:
            self.names = names
            self._sent = ""

    def answer(self, secrets: Secrets) -> Answer | None:
        """What is owed, or None when the stream has these secrets already (or rejected them)."""
        if not self.names:
            return None
        version = _version(self.names, secrets)
        if version == self._sent:
            return None
        self._sent = version
        self._nonce += 1
        return Answer(tuple(name for name in self.names if name in KNOWN), version, self._last_nonce)

    @property
    def _last_nonce(self) -> str:
        return str(self._nonce) if self._nonce else ""


def _version(names: tuple[str, ...], secrets: Secrets) -> str:
    digest = hashlib.sha256()
    if WORKLOAD_SECRET in names:
        digest.update(secrets.certificate.chain_pem)
    if ROOT_SECRET in names:
        digest.update(secrets.roots_pem)
    return digest.hexdigest()[:16]
