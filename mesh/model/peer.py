"""What telemetry says about the other side of a request: Istio's workload description.

It travels in two forms. Endpoints carry ``name;namespace;canonical service;canonical revision;cluster``
(Istio's ``istio.workload`` endpoint metadata); requests between sidecars carry the same facts in the
header ``x-envoy-peer-metadata`` (a base64 protobuf Struct, see ``mesh/xds/codec/peer.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

UNKNOWN = "unknown"
LATEST = "latest"


@dataclass(frozen=True, slots=True)
class Peer:
    """One workload as the labels of Istio's standard metrics describe it."""

    workload: str = UNKNOWN
    namespace: str = UNKNOWN
    canonical_service: str = UNKNOWN
    canonical_revision: str = LATEST
    app: str = UNKNOWN
    version: str = UNKNOWN
    cluster: str = UNKNOWN

    def to_text(self) -> str:
        """The ``istio.workload`` form, as endpoint metadata carries it."""
        return ";".join(
            (self.workload, self.namespace, self.canonical_service, self.canonical_revision, self.cluster)
        )

    @classmethod
    def from_text(cls, text: str) -> Peer:
        """Read the ``istio.workload`` form; app and version are the canonical ones.

        Raises ValueError when there are not five parts.
        """
        parts = text.split(";")
        if len(parts) != 5:
            raise ValueError(f"expected name;namespace;service;revision;cluster, got {text!r}")
        workload, namespace, service, revision, cluster = parts
        return cls(workload, namespace, service, revision, service, revision, cluster)


UNKNOWN_PEER = Peer()
