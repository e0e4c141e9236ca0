"""ServiceEntry: a service the platform does not know of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from mesh.galley.api.base import ApiModel, ApiObject, Items
from mesh.galley.api.scalars import Port, UCount

Resolution = Literal["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"]


class ServiceEntryPort(ApiModel):
    number: Port
    name: str
    protocol: str = ""
    target_port: Port | None = None


class WorkloadEntry(ApiModel):
    address: str = ""
    ports: Mapping[str, Port] = Field(default_factory=dict)
    labels: Mapping[str, str] = Field(default_factory=dict)
    network: str = ""
    locality: str = ""
    weight: UCount = 0
    service_account: str = ""


class EntrySelector(ApiModel):
    labels: Mapping[str, str] = Field(default_factory=dict)


class ServiceEntrySpec(ApiModel):
    hosts: Items[str]
    addresses: Items[str] = ()
    ports: Items[ServiceEntryPort] = ()
    location: Literal["MESH_EXTERNAL", "MESH_INTERNAL"] = "MESH_EXTERNAL"
    resolution: Resolution = "NONE"
    endpoints: Items[WorkloadEntry] = ()
    workload_selector: EntrySelector | None = None
    export_to: Items[str] = ()
    subject_alt_names: Items[str] = ()


class ServiceEntry(ApiObject):
    kind: Literal["ServiceEntry"]
    spec: ServiceEntrySpec
