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

Mode = Literal["DISABLE", "PERMISSIVE", "STRICT"]
ROOT_NAMESPACE = "istio-system"
DEFAULT: Mode = "PERMISSIVE"


def mtls_mode(policies: Iterable[PeerAuthentication], node: Node, port: int | None = None) -> Mode:
    """The mode in force on a port of the workload, or (no port) where no port says otherwise."""
    ranked = _ranked(policies, node)
    for policy in ranked:
        if port is not None and _selector(policy):
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
        rank = _rank(policy, node)
        if rank is not None:
            first.setdefault(rank, policy)
    return [first[rank] for rank in sorted(first)]


def _rank(policy: PeerAuthentication, node: Node) -> int | None:
    """0 the workload's own, 1 its namespace's, 2 the mesh's; None: not its concern."""
    selector, namespace = _selector(policy), policy.metadata.namespace
    if selector:
        selects = namespace == node.namespace and all(
            node.labels.get(key) == value for key, value in selector.items()
        )
        return 0 if selects else None
    if namespace == node.namespace:
        return 1
    return 2 if namespace == ROOT_NAMESPACE else None


def _selector(policy: PeerAuthentication) -> dict[str, str]:
    selector = policy.spec.selector
    return dict(selector.match_labels) if selector is not None else {}
