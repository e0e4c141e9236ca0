"""The rules of ``VirtualService.spec.http``, in the order of Istio's reference."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from mesh.galley.api.base import ApiModel, Items, check_one_of
from mesh.galley.api.request_match import RequestMatch
from mesh.galley.api.scalars import (
    Count,
    Duration,
    HttpStatus,
    PercentInt,
    PercentValue,
    Port,
    PositiveDuration,
    UCount,
)
from mesh.galley.api.string_match import StringMatch


class HttpMatch(RequestMatch):
    """Of a request and of its caller. The entries of a rule's ``match`` are alternatives (OR)."""

    name: str = ""
    port: Port | None = None
    source_labels: Mapping[str, str] = Field(default_factory=dict)
    gateways: Items[str] = ()
    source_namespace: str = ""
    stat_prefix: str = ""

    @property
    def matches_all(self) -> bool:
        """True when no request can fail it."""
        for_all = not (self.port or self.source_labels or self.gateways or self.source_namespace)
        return for_all and super().matches_all


class PortSelector(ApiModel):
    number: Port


class Destination(ApiModel):
    host: str
    subset: str = ""
    port: PortSelector | None = None


class HeaderOperations(ApiModel):
    """``set`` overwrites, ``add`` appends, ``remove`` takes away."""

    set: Mapping[str, str] = Field(default_factory=dict)
    add: Mapping[str, str] = Field(default_factory=dict)
    remove: Items[str] = ()


class Headers(ApiModel):
    request: HeaderOperations | None = None
    response: HeaderOperations | None = None


class HttpRouteDestination(ApiModel):
    """A single destination takes everything; among several, weight 0 (or none) takes nothing."""

    destination: Destination
    weight: Count = 0
    headers: Headers | None = None


class HttpRedirect(ApiModel):
    uri: str = ""
    authority: str = ""
    port: UCount | None = None
    derive_port: Literal["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"] | None = None
    scheme: str = ""
    redirect_code: Literal[301, 302, 303, 307, 308] = 301
    prefix_rewrite: str | None = None

    @model_validator(mode="after")
    def _one_of(self) -> HttpRedirect:
        check_one_of(self, "port", "derivePort", required=False)
        check_one_of(self, "uri", "prefixRewrite", required=False)
        return self


class DirectResponseBody(ApiModel):
    """Exactly one is given; ``bytes`` is base64."""

    string: str | None = None
    bytes_: str | None = Field(default=None, alias="bytes")

    @model_validator(mode="after")
    def _one_of(self) -> DirectResponseBody:
        check_one_of(self, "string", "bytes")
        return self


class HttpDirectResponse(ApiModel):
    status: HttpStatus
    body: DirectResponseBody | None = None


class Delegate(ApiModel):
    name: str = ""
    namespace: str = ""


class RegexRewrite(ApiModel):
    match: str
    rewrite: str = ""


class HttpRewrite(ApiModel):
    uri: str = ""
    authority: str = ""
    uri_regex_rewrite: RegexRewrite | None = None

    @model_validator(mode="after")
    def _one_of(self) -> HttpRewrite:
        check_one_of(self, "uri", "uriRegexRewrite", required=False)
        return self


class HttpRetry(ApiModel):
    """``attempts`` counts retries after the first try; 0 turns retries off."""

    attempts: Count = 0
    per_try_timeout: PositiveDuration | None = None
    retry_on: str = ""
    retry_remote_localities: bool | None = None
    retry_ignore_previous_hosts: bool | None = None
    backoff: PositiveDuration | None = None


class Percent(ApiModel):
    value: PercentValue = 0.0


class Delay(ApiModel):
    """``percent`` is the old spelling of ``percentage``; with neither, no request is delayed."""

    fixed_delay: PositiveDuration | None = None
    exponential_delay: PositiveDuration | None = None
    percentage: Percent | None = None
    percent: PercentInt = 0

    @model_validator(mode="after")
    def _one_of(self) -> Delay:
        check_one_of(self, "fixedDelay", "exponentialDelay")
        return self

    @property
    def share(self) -> float:
        """The percentage of requests, 0..100."""
        return self.percentage.value if self.percentage is not None else float(self.percent)


class Abort(ApiModel):
    """With no ``percentage``, no request is aborted."""

    http_status: HttpStatus | None = None
    grpc_status: str | None = None
    http2_error: str | None = None
    percentage: Percent | None = None

    @model_validator(mode="after")
    def _one_of(self) -> Abort:
        check_one_of(self, "httpStatus", "grpcStatus", "http2Error")
        return self

    @property
    def share(self) -> float:
        """The percentage of requests, 0..100."""
        return self.percentage.value if self.percentage is not None else 0.0


class HttpFault(ApiModel):
    delay: Delay | None = None
    abort: Abort | None = None

    @model_validator(mode="after")
    def _any_of(self) -> HttpFault:
        if self.delay is None and self.abort is None:
            raise ValueError("expected delay, abort or both, got none")
        return self


class HttpMirror(ApiModel):
    destination: Destination
    percentage: Percent | None = None


class CorsPolicy(ApiModel):
    allow_origin: Items[str] = ()
    allow_origins: Items[StringMatch] = ()
    allow_methods: Items[str] = ()
    allow_headers: Items[str] = ()
    expose_headers: Items[str] = ()
    max_age: Duration | None = None
    allow_credentials: bool | None = None
    unmatched_preflights: Literal["UNSPECIFIED", "FORWARD", "IGNORE"] | None = None


class HttpRoute(ApiModel):
    """One rule. Rules are tried in order, the first that matches decides; no ``match`` matches all."""

    name: str = ""
    match: Items[HttpMatch] = ()
    route: Items[HttpRouteDestination] = ()
    redirect: HttpRedirect | None = None
    direct_response: HttpDirectResponse | None = None
    delegate: Delegate | None = None
    rewrite: HttpRewrite | None = None
    timeout: Duration | None = None
    retries: HttpRetry | None = None
    fault: HttpFault | None = None
    mirror: Destination | None = None
    mirrors: Items[HttpMirror] = ()
    mirror_percent: PercentInt | None = None
    mirror_percentage: Percent | None = None
    cors_policy: CorsPolicy | None = None
    headers: Headers | None = None

    @property
    def matches_all(self) -> bool:
        return not self.match or any(match.matches_all for match in self.match)
