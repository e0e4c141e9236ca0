"""Which mutual TLS a workload asks of its callers: Istio's PeerAuthentication.

The narrowest policy that says anything wins: a workload's (selector, same namespace), then its namespace's
(no selector), then the mesh's (no selector, in the root namespace), then PERMISSIVE. UNSET says nothing.
Port modes count only in a workload's policy and stand above everything else for that port of the workload.
Of several policies of one rank the first by name counts (Istio takes the oldest; files have no age).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from mesh.galley.api.peer_authentication import PeerAuthentication
from mesh.model.node import Node
from mesh.pilot.translate.selection import labels_of, rank

Mode = Literal["DISABLE", "PERMISSIVE", "STRICT"]
DEFAULT: Mode = "PERMISSIVE"


def mtls_mode(policies: Iterable[PeerAuthentication], node: Node, port: int | None = None) -> Mode:
    """The mode in force on a port of the workload, or (no port) where no port says otherwise."""
    ranked = _ranked(policies, node)
    for policy in ranked:
        if port is not None and labels_of(policy):
            mode = policy.spec.port_level_mtls.get(port)
            if mode is not None and mode.mode != "UNSET":
                return mode.mode
    for policy in ranked:
        if policy.spec.mtls is not None and policy.spec.mtls.mode != "UNSET":
            return policy.spec.mtls.mode
    return DEFAULT


def _ranked(policies: Iterable[PeerAuthentication], node: Node) -> Sequence[PeerAuthentication]:
    """The policies that concern the workload, at most one a rank, narrowest first."""
    first: dict[int, PeerAuthentication] = {}
    for policy in sorted(policies, key=lambda policy: (policy.metadata.namespace, policy.metadata.name)):
        found = rank(policy, node)
        if found is not None:
            first.setdefault(found, policy)
    return [first[found] for found in sorted(first)]
