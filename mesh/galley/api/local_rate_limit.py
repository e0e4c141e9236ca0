"""LocalRateLimit, a kind of our own: how much a workload's sidecar lets through to it.

Istio has no resource for Envoy's local_ratelimit filters. Words and defaults are Envoy's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from mesh.galley.api.base import ApiModel, ApiObject, Items
from mesh.galley.api.destination_rule import WorkloadSelector
from mesh.galley.api.request_match import RequestMatch
from mesh.galley.api.scalars import PercentValue, Port, PositiveDuration, UCount, within

Refusal = Annotated[int, AfterValidator(within(400, 599))]


class TokenBucket(ApiModel):
    """Full at first; a request, or a connection, takes one token."""

    max_tokens: UCount
    tokens_per_fill: UCount = 1
    fill_interval: PositiveDuration


class RequestLimitRule(ApiModel):
    """The first rule that matches decides. Without a bucket: no limit."""

    match: RequestMatch
    token_bucket: TokenBucket | None = None


class RequestLimit(ApiModel):
    """``token_bucket`` is for what no rule matches."""

    rules: Items[RequestLimitRule] = ()
    token_bucket: TokenBucket | None = None
    enabled_percent: PercentValue = 100.0
    enforced_percent: PercentValue = 100.0
    status: Refusal = 429
    response_headers: Mapping[str, str] = Field(default_factory=dict)
    rate_limited_as_resource_exhausted: bool = False


class ConnectionLimit(ApiModel):
    token_bucket: TokenBucket


class LocalRateLimitSpec(ApiModel):
    """``http`` is for the workload's HTTP ports, ``tcp`` for its others. No ports are all of them."""

    selector: WorkloadSelector | None = None
    ports: Items[Port] = ()
    http: RequestLimit | None = None
    tcp: ConnectionLimit | None = None


class LocalRateLimit(ApiObject):
    kind: Literal["LocalRateLimit"]
    spec: LocalRateLimitSpec
