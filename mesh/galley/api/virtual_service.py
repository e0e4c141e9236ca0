"""VirtualService: how requests to a host are routed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from mesh.galley.api.base import ApiModel, ApiObject, Items
from mesh.galley.api.http_route import Destination, HttpRoute
from mesh.galley.api.scalars import Count, Port

MESH_GATEWAY = "mesh"  # the reserved word for "all sidecars"


def gateway_name(text: str, namespace: str) -> str:
    """A Gateway as "namespace/name", as an object of this namespace means it; ``mesh`` stays."""
    return text if "/" in text or text == MESH_GATEWAY else f"{namespace}/{text}"


class L4Match(ApiModel):
    destination_subnets: Items[str] = ()
    port: Port | None = None
    source_labels: Mapping[str, str] = Field(default_factory=dict)
    gateways: Items[str] = ()
    source_namespace: str = ""
    source_subnet: str = ""


class TlsMatch(L4Match):
    sni_hosts: Items[str]


class RouteDestination(ApiModel):
    destination: Destination
    weight: Count = 0


class TcpRoute(ApiModel):
    match: Items[L4Match] = ()
    route: Items[RouteDestination] = ()


class TlsRoute(ApiModel):
    match: Items[TlsMatch]
    route: Items[RouteDestination] = ()


class VirtualServiceSpec(ApiModel):
    hosts: Items[str] = ()
    gateways: Items[str] = ()
    http: Items[HttpRoute] = ()
    tls: Items[TlsRoute] = ()
    tcp: Items[TcpRoute] = ()
    export_to: Items[str] = ()

    @property
    def in_mesh(self) -> bool:
        """True when sidecars follow it: ``gateways`` is empty or names ``mesh``."""
        return not self.gateways or MESH_GATEWAY in self.gateways


class VirtualService(ApiObject):
    kind: Literal["VirtualService"]
    spec: VirtualServiceSpec
