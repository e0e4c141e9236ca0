"""Who a proxy is: what a sidecar tells the control plane in its xDS node, and what registers it.

Names of the metadata keys are Istio's (NAME, NAMESPACE, LABELS, SERVICE_ACCOUNT, WORKLOAD_NAME,
CLUSTER_ID, INTERCEPTION_MODE, INSTANCE_IPS, APP_CONTAINERS); SERVICE, APP_ADDRESS, OUTBOUND_ADDRESSES,
ENGINE and NODE_TYPE (in Istio a part of the node's id) are ours, because without Kubernetes nobody else tells
pilot which service a workload belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Literal

from mesh.model.identity import DEFAULT_TRUST_DOMAIN, SpiffeId
from mesh.model.peer import LATEST, Peer

InterceptionMode = Literal["REDIRECT", "NONE"]
Engine = Literal["python", "envoy"]
NodeType = Literal["sidecar", "router"]  # Istio's: a router stands alone and serves Gateways
DOMAIN = "svc.cluster.local"


@dataclass(frozen=True, slots=True)
class ServicePort:
    """A port of a service: ``number`` is what callers dial, ``target_port`` what the app listens on."""

    name: str
    number: int
    target_port: int
    protocol: str = "HTTP"  # HTTP, HTTP2, GRPC, TCP, TLS, HTTPS, AUTO: see protocol.py

    def to_metadata(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "number": self.number,
            "targetPort": self.target_port,
            "protocol": self.protocol,
        }

    @classmethod
    def from_metadata(cls, raw: Mapping[str, Any]) -> ServicePort:
        return cls(
            str(raw["name"]),
            int(raw["number"]),
            int(raw.get("targetPort", raw["number"])),
            str(raw.get("protocol", "HTTP")),
        )


@dataclass(frozen=True, slots=True)
class Node:
    """One proxy and the workload instance it stands beside.

    ``outbound_addresses``: without interception, where the sidecar is to listen for what its application
    sends to a service by anything but HTTP, by the service's full host name.
    """

    name: str  # the pod's name, unique in its namespace
    namespace: str
    address: str  # where other sidecars reach this workload
    service_account: str
    workload: str
    service: str = ""  # host's first label of the service it belongs to; "" = a client only
    ports: tuple[ServicePort, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    app_address: str = "127.0.0.1"  # where the sidecar reaches the application
    interception: InterceptionMode = "REDIRECT"
    engine: Engine = "python"
    cluster: str = "Kubernetes"  # Istio's default cluster id
    admin_address: str = "127.0.0.1"
    outbound_addresses: Mapping[str, str] = field(default_factory=dict)
    type: NodeType = "sidecar"

    @property
    def id(self) -> str:
        """Istio's node id: ``sidecar~<ip>~<name>.<namespace>~<namespace>.svc.cluster.local``."""
        return f"{self.type}~{self.address}~{self.name}.{self.namespace}~{self.namespace}.{DOMAIN}"

    @property
    def owns_its_network(self) -> bool:
        """Whether it may listen on every address: behind interception, and as a router anywhere but on
        loopback, where it shares the machine's ports with others."""
        if self.type == "router":
            return not ip_address(self.address).is_loopback
        return self.interception == "REDIRECT"

    @property
    def spiffe_id(self) -> SpiffeId:
        return SpiffeId(self.namespace, self.service_account, DEFAULT_TRUST_DOMAIN)

    @property
    def app(self) -> str:
        return self.labels.get("app", "unknown")

    @property
    def version(self) -> str:
        return self.labels.get("version", "unknown")

    def peer(self) -> Peer:
        """This workload as the metrics of others name it (Istio's canonical service rules)."""
        labels = self.labels
        service = labels.get("service.istio.io/canonical-name") or labels.get("app") or self.workload
        revision = labels.get("service.istio.io/canonical-revision") or labels.get("version") or LATEST
        return Peer(self.workload, self.namespace, service, revision, self.app, self.version, self.cluster)

    def to_metadata(self) -> dict[str, Any]:
        """The node metadata, ready for a protobuf Struct or Envoy's bootstrap."""
        return {
            "NAME": self.name,
            "NAMESPACE": self.namespace,
            "INSTANCE_IPS": self.address,
            "SERVICE_ACCOUNT": self.service_account,
            "WORKLOAD_NAME": self.workload,
            "LABELS": dict(self.labels),
            "CLUSTER_ID": self.cluster,
            "INTERCEPTION_MODE": self.interception,
            "ADMIN_ADDRESS": self.admin_address,
            "APP_ADDRESS": self.app_address,
            "OUTBOUND_ADDRESSES": dict(self.outbound_addresses),
            "ENGINE": self.engine,
            "NODE_TYPE": self.type,
            "SERVICE": {"name": self.service, "ports": [port.to_metadata() for port in self.ports]},
        }

    @classmethod
    def from_metadata(cls, raw: Mapping[str, Any]) -> Node:
        """Read node metadata. Raises ValueError naming the first key that is missing or malformed."""
        try:
            service = raw.get("SERVICE") or {}
            return cls(
                name=str(raw["NAME"]),
                namespace=str(raw["NAMESPACE"]),
                address=str(raw["INSTANCE_IPS"]).split(",")[0],
                service_account=str(raw["SERVICE_ACCOUNT"]),
                workload=str(raw["WORKLOAD_NAME"]),
                service=str(service.get("name", "")),
                ports=tuple(ServicePort.from_metadata(port) for port in service.get("ports", ())),
                labels=_texts(raw.get("LABELS")),
                app_address=str(raw.get("APP_ADDRESS", "127.0.0.1")),
                interception=_one_of(raw, "INTERCEPTION_MODE", "REDIRECT", "NONE"),  # type: ignore[arg-type]
                engine=_one_of(raw, "ENGINE", "envoy", "python"),  # type: ignore[arg-type]
                cluster=str(raw.get("CLUSTER_ID", "Kubernetes")),
                admin_address=str(raw.get("ADMIN_ADDRESS", "127.0.0.1")),
                outbound_addresses=_texts(raw.get("OUTBOUND_ADDRESSES")),
                type=_one_of(raw, "NODE_TYPE", "sidecar", "router"),  # type: ignore[arg-type]
            )
        except KeyError as missing:
            raise ValueError(f"node metadata: {missing.args[0]} is missing") from missing
        except (TypeError, AttributeError) as malformed:
            raise ValueError(f"node metadata: {malformed}") from malformed


def _texts(raw: Any) -> dict[str, str]:
    return {str(key): str(value) for key, value in (raw or {}).items()}


def _one_of(raw: Mapping[str, Any], key: str, default: str, other: str) -> str:
    value = str(raw.get(key, default))
    if value not in (default, other):
        raise ValueError(f"node metadata: {key}: expected {default} or {other}, got {value!r}")
    return value
