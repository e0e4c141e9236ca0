"""The Kubernetes Service, version v1: every field of its spec is read, few are used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from mesh.galley.api.base import ApiModel, ApiObject, Items
from mesh.galley.api.scalars import Count, Port
from mesh.galley.fault import quoted


def _target_port(value: object) -> int | str:
    """A port's number or its name in the workload."""
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise ValueError(f"expected a port's number or name, got {quoted(value)}")
    if isinstance(value, int) and not 1 <= value <= 65535:
        raise ValueError(f"expected 1..65535, got {quoted(value)}")
    return value


class ServicePort(ApiModel):
    """``target_port`` None: the same as ``port``."""

    name: str = ""
    port: Port
    target_port: Annotated[int | str | None, BeforeValidator(_target_port)] = None
    protocol: Literal["TCP", "UDP", "SCTP"] = "TCP"
    app_protocol: str | None = None
    node_port: Port | None = None


class ClientIpAffinity(ApiModel):
    timeout_seconds: Count | None = None


class SessionAffinityConfig(ApiModel):
    client_ip: ClientIpAffinity | None = Field(default=None, alias="clientIP")


class ServiceSpec(ApiModel):
    ports: Items[ServicePort] = ()
    selector: Mapping[str, str] = Field(default_factory=dict)
    type: Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"] = "ClusterIP"
    cluster_ip: str | None = Field(default=None, alias="clusterIP")
    cluster_ips: Items[str] = Field(default=(), alias="clusterIPs")
    external_ips: Items[str] = Field(default=(), alias="externalIPs")
    external_name: str | None = None
    session_affinity: Literal["None", "ClientIP"] | None = None
    session_affinity_config: SessionAffinityConfig | None = None
    external_traffic_policy: Literal["Cluster", "Local"] | None = None
    internal_traffic_policy: Literal["Cluster", "Local"] | None = None
    ip_families: Items[str] = ()
    ip_family_policy: str | None = None
    load_balancer_ip: str | None = Field(default=None, alias="loadBalancerIP")
    load_balancer_class: str | None = None
    load_balancer_source_ranges: Items[str] = ()
    allocate_load_balancer_node_ports: bool | None = None
    health_check_node_port: Count | None = None
    publish_not_ready_addresses: bool | None = None
    traffic_distribution: str | None = None


class Service(ApiObject):
    kind: Literal["Service"]
    spec: ServiceSpec = ServiceSpec()
