"""HealthCheck, a kind of our own: how sidecars ask the endpoints of a host whether they are well.

Istio has no resource for Envoy's active health checks. Words and defaults are Envoy's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from mesh.galley.api.base import ApiModel, ApiObject, Items, check_one_of
from mesh.galley.api.scalars import Duration, PercentInt, Port, PositiveDuration, UCount
from mesh.galley.fault import quoted

_RANGE = re.compile(r"([1-5][0-9][0-9])(?:-([1-5][0-9][0-9]))?")


def _statuses(value: object) -> tuple[int, int]:
    """``200`` or ``"200-299"`` as (first, last)."""
    found = _RANGE.fullmatch(str(value)) if isinstance(value, int | str) else None
    if found is None or int(found[1]) > int(found[2] or found[1]):
        raise ValueError(f'expected a status or a range such as "200-299", got {quoted(value)}')
    return int(found[1]), int(found[2] or found[1])


def _as_written(statuses: tuple[int, int]) -> int | str:
    first, last = statuses
    return first if first == last else f"{first}-{last}"


Statuses = Annotated[tuple[int, int], BeforeValidator(_statuses), PlainSerializer(_as_written)]


class HttpCheck(ApiModel):
    """``host`` None is the host whose endpoints are checked."""

    path: str
    host: str | None = None
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"] = "GET"
    headers: Mapping[str, str] = Field(default_factory=dict)
    expected_statuses: Items[Statuses] = ()
    retriable_statuses: Items[Statuses] = ()
    receive: Items[str] = ()


class TcpCheck(ApiModel):
    """Texts; what is to be received must come in this order."""

    send: str = ""
    receive: Items[str] = ()


class GrpcCheck(ApiModel):
    service_name: str = ""
    authority: str | None = None


class HealthCheckSpec(ApiModel):
    """No ports are all of the host's; no subset is the host with all of its subsets."""

    host: str
    ports: Items[Port] = ()
    subset: str | None = None
    http: HttpCheck | None = None
    tcp: TcpCheck | None = None
    grpc: GrpcCheck | None = None
    timeout: PositiveDuration = 1.0
    interval: PositiveDuration = 10.0
    unhealthy_threshold: UCount = 3
    healthy_threshold: UCount = 2
    no_traffic_interval: PositiveDuration = 60.0
    no_traffic_healthy_interval: PositiveDuration | None = None
    unhealthy_interval: PositiveDuration | None = None
    unhealthy_edge_interval: PositiveDuration | None = None
    healthy_edge_interval: PositiveDuration | None = None
    initial_jitter: Duration = 0.0
    interval_jitter: Duration = 0.0
    interval_jitter_percent: PercentInt = 0
    reuse_connection: bool = True
    ignore_health_on_host_removal: bool = True

    @model_validator(mode="after")
    def _one_of(self) -> HealthCheckSpec:
        check_one_of(self, "http", "tcp", "grpc")
        return self


class HealthCheck(ApiObject):
    kind: Literal["HealthCheck"]
    spec: HealthCheckSpec
