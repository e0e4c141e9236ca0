"""Whom a policy with a selector concerns: one workload's kind, a namespace, the mesh."""

from __future__ import annotations

from mesh.galley.api.local_rate_limit import LocalRateLimit
from mesh.galley.api.peer_authentication import PeerAuthentication
from mesh.model.node import Node

ROOT_NAMESPACE = "istio-system"


def labels_of(policy: PeerAuthentication | LocalRateLimit) -> dict[str, str]:
    """The labels it selects workloads by; none: all of them."""
    selector = policy.spec.selector
    return dict(selector.match_labels) if selector is not None else {}


def rank(policy: PeerAuthentication | LocalRateLimit, node: Node) -> int | None:
    """0 the workload's own, 1 its namespace's, 2 the mesh's; None: not its concern."""
    labels, namespace = labels_of(policy), policy.metadata.namespace
    if labels:
        selects = namespace == node.namespace and all(
            node.labels.get(key) == value for key, value in labels.items()
        )
        return 0 if selects else None
    if namespace == node.namespace:
        return 1
    return 2 if namespace == ROOT_NAMESPACE else None
