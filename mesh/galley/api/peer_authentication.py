"""PeerAuthentication: whether a workload takes mTLS, plaintext, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from mesh.galley.api.base import ApiModel, ApiObject
from mesh.galley.api.destination_rule import WorkloadSelector
from mesh.galley.api.scalars import PortKey

MtlsMode = Literal["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]


class MutualTls(ApiModel):
    """UNSET inherits from the wider policy."""

    mode: MtlsMode = "UNSET"


class PeerAuthenticationSpec(ApiModel):
    selector: WorkloadSelector | None = None
    mtls: MutualTls | None = None
    port_level_mtls: Mapping[PortKey, MutualTls] = Field(default_factory=dict)


class PeerAuthentication(ApiObject):
    kind: Literal["PeerAuthentication"]
    spec: PeerAuthenticationSpec = PeerAuthenticationSpec()
