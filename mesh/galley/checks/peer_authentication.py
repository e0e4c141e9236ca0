"""PeerAuthentication."""

from __future__ import annotations

from mesh.galley.api.peer_authentication import PeerAuthentication
from mesh.galley.checks.common import Problems, check_labels
from mesh.galley.fault import Problem


def check_peer_authentication(policy: PeerAuthentication) -> Problems:
    spec = policy.spec
    labels = spec.selector.match_labels if spec.selector is not None else {}
    yield from check_labels(labels, ("spec", "selector", "matchLabels"))
    if spec.port_level_mtls and not labels:
        yield Problem(
            ("spec", "portLevelMtls"), "expected a selector beside portLevelMtls: ports are a workload's"
        )
