"""The table of kinds: what is read, under which API versions, and what is known but not read."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.galley.api.base import ApiObject
from mesh.galley.api.destination_rule import DestinationRule
from mesh.galley.api.gateway import Gateway
from mesh.galley.api.health_check import HealthCheck
from mesh.galley.api.local_rate_limit import LocalRateLimit
from mesh.galley.api.peer_authentication import PeerAuthentication
from mesh.galley.api.secret import Secret
from mesh.galley.api.service import Service
from mesh.galley.api.service_entry import ServiceEntry
from mesh.galley.api.virtual_service import VirtualService

NETWORKING = "networking.istio.io"
SECURITY = "security.istio.io"
OWN = "mesh-labs.io"  # what Istio has no kind for


@dataclass(frozen=True, slots=True)
class Kind:
    """``group`` "" is Kubernetes' core group. The first of ``versions`` is the one to write."""

    model: type[ApiObject]
    group: str
    versions: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.model.__name__

    @property
    def api_versions(self) -> tuple[str, ...]:
        prefix = f"{self.group}/" if self.group else ""
        return tuple(prefix + version for version in self.versions)


_NETWORKING_VERSIONS = ("v1", "v1beta1", "v1alpha3")

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(VirtualService, NETWORKING, _NETWORKING_VERSIONS),
        Kind(DestinationRule, NETWORKING, _NETWORKING_VERSIONS),
        Kind(PeerAuthentication, SECURITY, ("v1", "v1beta1")),
        Kind(Service, "", ("v1",)),
        Kind(Secret, "", ("v1",)),
        Kind(Gateway, NETWORKING, _NETWORKING_VERSIONS),
        Kind(ServiceEntry, NETWORKING, _NETWORKING_VERSIONS),
        Kind(HealthCheck, OWN, ("v1alpha1",)),
        Kind(LocalRateLimit, OWN, ("v1alpha1",)),
    )
}

ISTIO_DOMAIN = "istio.io"

# Istio has them and this mesh does not: refused by name, for leaving out a policy in silence is worse
OTHER_ISTIO_KINDS = frozenset(
    {
        "AuthorizationPolicy",
        "EnvoyFilter",
        "IstioOperator",
        "ProxyConfig",
        "RequestAuthentication",
        "Sidecar",
        "Telemetry",
        "TrafficExtension",
        "WasmPlugin",
        "WorkloadEntry",
        "WorkloadGroup",
    }
)

# Kubernetes' core group: in it, any other word is a slip of the pen
CORE_KINDS = frozenset(
    {
        "Binding",
        "ComponentStatus",
        "ConfigMap",
        "Endpoints",
        "Event",
        "LimitRange",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Pod",
        "PodTemplate",
        "ReplicationController",
        "ResourceQuota",
        "Secret",
        "Service",
        "ServiceAccount",
    }
)
