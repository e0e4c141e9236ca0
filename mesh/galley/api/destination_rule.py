"""DestinationRule: the subsets of a host, and the policy of traffic to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from mesh.galley.api.base import ApiModel, ApiObject, Items
from mesh.galley.api.traffic_policy import TrafficPolicy


class WorkloadSelector(ApiModel):
    match_labels: Mapping[str, str] = Field(default_factory=dict)


class Subset(ApiModel):
    """``labels`` picks the workloads; none at all picks every workload of the host."""

    name: str
    labels: Mapping[str, str] = Field(default_factory=dict)
    traffic_policy: TrafficPolicy | None = None


class DestinationRuleSpec(ApiModel):
    host: str
    traffic_policy: TrafficPolicy | None = None
    subsets: Items[Subset] = ()
    export_to: Items[str] = ()
    workload_selector: WorkloadSelector | None = None


class DestinationRule(ApiObject):
    kind: Literal["DestinationRule"]
    spec: DestinationRuleSpec
