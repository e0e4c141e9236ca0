"""Routes: from (authority, path, headers) to a weighted choice of clusters, a redirect or a direct answer.

Envoy's config.route.v3 reduced to what this mesh honours. Durations are seconds, weights are relative
shares, percentages 0..100. Matching itself lives in ``mesh/proxy/route.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mesh.model.rate_limit import LocalRateLimit


@dataclass(frozen=True, slots=True)
class StringMatch:
    """``regex`` is RE2 and must match the whole text; ``ignore_case`` does not apply to it."""

    kind: Literal["exact", "prefix", "suffix", "contains", "regex"]
    value: str
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """``match`` None asks only that the header is there; ``invert`` negates the answer."""

    name: str  # lower case; ":method", ":authority", ":scheme", ":path" are the pseudo headers
    match: StringMatch | None = None
    invert: bool = False


@dataclass(frozen=True, slots=True)
class QueryMatch:
    name: str
    match: StringMatch | None = None


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """All parts must hold. ``path`` is exact, prefix or regex, compared without the query string.

    ``connect`` matches CONNECT, which has no path and which nothing else matches.
    """

    path: StringMatch = StringMatch("prefix", "/")
    headers: tuple[HeaderMatch, ...] = ()
    query: tuple[QueryMatch, ...] = ()
    connect: bool = False


@dataclass(frozen=True, slots=True)
class HeaderMutation:
    """``set`` overwrites, ``add`` appends, ``remove`` takes away; names are lower case.

    Values may hold commands (see ``substitution``).
    """

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


NO_MUTATION = HeaderMutation()


# our own word of ``retry_on``: methods that are not idempotent, too, are sent again (Envoy passes it over)
NON_IDEMPOTENT = "non-idempotent"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Envoy's retry policy; ``attempts`` counts retries, not the first try."""

    attempts: int
    retry_on: tuple[str, ...]
    per_try_timeout_s: float | None = None
    retriable_status_codes: tuple[int, ...] = ()
    avoid_previous_hosts: bool = True
    host_selection_attempts: int = 5
    base_interval_s: float = 0.025
    max_interval_s: float = 0.250
    retriable_headers: tuple[str, ...] = ()  # names in lower case, of response headers
    previous_priorities: int = 0  # after so many attempts go to other levels of endpoints; 0 = no


@dataclass(frozen=True, slots=True)
class WeightedCluster:
    name: str
    weight: int = 100
    request_headers: HeaderMutation = NO_MUTATION
    response_headers: HeaderMutation = NO_MUTATION


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of the request goes here too, whose answer nobody waits for."""

    cluster: str
    percentage: float = 100.0  # 0..100
    shadow_suffix: bool = True  # "-shadow" after the host, so that the callee can tell copies


@dataclass(frozen=True, slots=True)
class RegexRewrite:
    r"""Every match of ``pattern`` (RE2) in the path gives way; the query stays. ``\1`` is the first group."""

    pattern: str
    substitution: str


@dataclass(frozen=True, slots=True)
class HashPolicy:
    """What of a request decides its endpoint. A cookie with ``ttl_s`` is given to clients without; 0 = for
    their session. ``name`` is a header's (lower case), a cookie's or a query parameter's."""

    kind: Literal["header", "cookie", "source_ip", "query"]
    name: str = ""
    path: str = ""  # of a cookie that is given
    ttl_s: float | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """Send the request on. Weights are relative to their sum, which is not zero.

    ``terminate_connect``: what a CONNECT carries goes to the cluster as bytes; else the CONNECT itself does.
    """

    clusters: tuple[WeightedCluster, ...]
    timeout_s: float | None = None  # None = no limit, Istio's default
    retry: RetryPolicy | None = None
    host_rewrite: str | None = None
    prefix_rewrite: str | None = None  # replaces the matched prefix (or the whole exact path)
    mirrors: tuple[Mirror, ...] = ()
    regex_rewrite: RegexRewrite | None = None  # not beside prefix_rewrite
    hash_policies: tuple[HashPolicy, ...] = ()
    sticky: bool = False  # the cluster, too, is drawn by the hash policies' key, modulo the sum of weights
    terminate_connect: bool = False


@dataclass(frozen=True, slots=True)
class Redirect:
    code: int = 301
    host: str | None = None
    port: int | None = None
    scheme: str | None = None
    path: str | None = None  # replaces the path; the query stays, unless this has one of its own
    prefix_rewrite: str | None = None


@dataclass(frozen=True, slots=True)
class DirectResponse:
    status: int
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class FaultDelay:
    percentage: float  # 0..100
    fixed_delay_s: float


@dataclass(frozen=True, slots=True)
class FaultAbort:
    """Exactly one of the two is given; a gRPC status is told as gRPC does it, with HTTP 200."""

    percentage: float  # 0..100
    http_status: int | None = None
    grpc_status: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Runs before the router, so an aborted request is not retried (Envoy's fault filter)."""

    delay: FaultDelay | None = None
    abort: FaultAbort | None = None


@dataclass(frozen=True, slots=True)
class ScriptedFault:
    """Not by chance but by count: the ``first`` N requests, ``every`` N-th, or only ``attempt`` N of one.

    Ours: Envoy has nothing like it and refuses the route by this filter's name. ``name`` says where it was
    asked for; requests are counted for each name and text, in each sidecar.
    """

    name: str
    when: Literal["first", "every", "attempt"]
    number: int  # from 1
    abort_status: int | None = None
    delay_s: float | None = None


@dataclass(frozen=True, slots=True)
class CorsPolicy:
    """Envoy's cors filter. Empty texts and None put nothing on the response; lists are comma-separated."""

    allow_origins: tuple[StringMatch, ...] = ()
    allow_methods: str = ""
    allow_headers: str = ""
    expose_headers: str = ""
    max_age: str = ""  # seconds
    allow_credentials: bool | None = None
    forward_unmatched_preflights: bool | None = None  # None is True


Action = Forward | Redirect | DirectResponse


@dataclass(frozen=True, slots=True)
class Route:
    """``name`` is the VirtualService rule's; ``config`` names the object it came from, for explanations."""

    match: RouteMatch
    action: Action
    name: str = ""
    config: str = ""  # e.g. "virtual-service/default/reviews"; Istio's filter metadata istio.config
    fault: Fault | None = None
    cors: CorsPolicy | None = None
    script: tuple[ScriptedFault, ...] = ()
    rate_limit: LocalRateLimit | None = None
    request_headers: HeaderMutation = NO_MUTATION
    response_headers: HeaderMutation = NO_MUTATION
    decorator: str = ""  # operation name of the span


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """``domains``: exact host[:port], ``*.suffix``, ``prefix.*`` or ``*``, searched in that order.

    ``include_attempt_count``: endpoints are told by x-envoy-attempt-count which attempt it is, from 1.
    ``require_tls``: who asks in plaintext is redirected to https.
    """

    name: str
    domains: tuple[str, ...]
    routes: tuple[Route, ...]
    include_attempt_count: bool = False
    require_tls: bool = False


@dataclass(frozen=True, slots=True)
class RouteConfiguration:
    name: str
    virtual_hosts: tuple[VirtualHost, ...]
    request_headers: HeaderMutation = NO_MUTATION
    response_headers: HeaderMutation = NO_MUTATION
