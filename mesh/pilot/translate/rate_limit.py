"""Local rate limits: which LocalRateLimit is in force on a port of a workload, and what is made of it there.

The narrowest counts, as with PeerAuthentications; among equals one that names the port goes first, then the
first by name. Each rule becomes a route, and so has a bucket of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mesh.galley.api.local_rate_limit import LocalRateLimit, RequestLimit
from mesh.galley.api.local_rate_limit import TokenBucket as Bucket
from mesh.model.node import Node
from mesh.model.rate_limit import ConnectionRateLimit, TokenBucket
from mesh.model.rate_limit import LocalRateLimit as OfRequests
from mesh.model.route import Route
from mesh.pilot.translate.match import route_match
from mesh.pilot.translate.selection import rank


def limit_for(limits: Iterable[LocalRateLimit], node: Node, port: int, http: bool) -> LocalRateLimit | None:
    """The one in force; ``limits`` are sorted by namespace and name."""
    ranked = [
        (found, not limit.spec.ports, limit)
        for limit in limits
        if (limit.spec.http if http else limit.spec.tcp) is not None
        and (not limit.spec.ports or port in limit.spec.ports)
        and (found := rank(limit, node)) is not None
    ]
    return min(ranked, key=lambda each: each[:2])[2] if ranked else None


def limited_routes(limit: LocalRateLimit | None, route: Route) -> tuple[Route, ...]:
    """A port's route as several: each rule's, then the rest."""
    if limit is None or limit.spec.http is None:
        return (route,)
    http = limit.spec.http
    ruled = (
        replace(route, match=route_match(rule.match), rate_limit=_of_requests(limit, http, rule.token_bucket))
        for rule in http.rules
    )
    return *ruled, replace(route, rate_limit=_of_requests(limit, http, http.token_bucket))


def connection_limit(limit: LocalRateLimit | None) -> ConnectionRateLimit | None:
    if limit is None or limit.spec.tcp is None:
        return None
    return ConnectionRateLimit(_stat_prefix(limit), _bucket(limit.spec.tcp.token_bucket))


def _of_requests(limit: LocalRateLimit, http: RequestLimit, bucket: Bucket | None) -> OfRequests | None:
    if bucket is None:
        return None
    return OfRequests(
        _stat_prefix(limit),
        _bucket(bucket),
        enabled=http.enabled_percent,
        enforced=http.enforced_percent,
        status=http.status,
        response_headers=tuple(http.response_headers.items()),
        resource_exhausted=http.rate_limited_as_resource_exhausted,
    )


def _bucket(bucket: Bucket) -> TokenBucket:
    return TokenBucket(bucket.max_tokens, bucket.tokens_per_fill, bucket.fill_interval)


def _stat_prefix(limit: LocalRateLimit) -> str:
    return f"{limit.metadata.namespace}.{limit.metadata.name}"
