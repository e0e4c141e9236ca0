"""LocalRateLimit: buckets that hold and refill, rules that can be reached, a refusal that can be told."""

from __future__ import annotations

from mesh.galley.api.local_rate_limit import LocalRateLimit, RequestLimit, TokenBucket
from mesh.galley.api.scalars import format_duration
from mesh.galley.checks.common import Problems, check_fixed_headers, check_labels, check_ports
from mesh.galley.checks.request_match import check_request_match
from mesh.galley.fault import Loc, Problem
from mesh.model.rate_limit import MIN_FILL_INTERVAL_S


def check_local_rate_limit(limit: LocalRateLimit) -> Problems:
    spec, loc = limit.spec, ("spec",)
    labels = spec.selector.match_labels if spec.selector is not None else {}
    yield from check_labels(labels, (*loc, "selector", "matchLabels"))
    yield from check_ports(spec.ports, (*loc, "ports"))
    if spec.http is None and spec.tcp is None:
        yield Problem(loc, "expected http, tcp or both, got none")
    if spec.http is not None:
        yield from _check_requests(spec.http, (*loc, "http"))
    if spec.tcp is not None:
        yield from _check_bucket(spec.tcp.token_bucket, (*loc, "tcp", "tokenBucket"))


def _check_requests(http: RequestLimit, loc: Loc) -> Problems:
    for index, rule in enumerate(http.rules):
        at: Loc = (*loc, "rules", index)
        yield from check_request_match(rule.match, (*at, "match"))
        if rule.match.matches_all:
            yield Problem((*at, "match"), "expected a condition: tokenBucket beside rules is for all others")
        if rule.token_bucket is not None:
            yield from _check_bucket(rule.token_bucket, (*at, "tokenBucket"))
    if http.token_bucket is not None:
        yield from _check_bucket(http.token_bucket, (*loc, "tokenBucket"))
    elif all(rule.token_bucket is None for rule in http.rules):
        yield Problem(loc, "expected a tokenBucket, here or in a rule, got none")
    yield from check_fixed_headers(http.response_headers, (*loc, "responseHeaders"))


def _check_bucket(bucket: TokenBucket, loc: Loc) -> Problems:
    for name, tokens in (("maxTokens", bucket.max_tokens), ("tokensPerFill", bucket.tokens_per_fill)):
        if tokens == 0:
            yield Problem((*loc, name), "expected at least 1, got 0")
    if bucket.fill_interval < MIN_FILL_INTERVAL_S:
        given = format_duration(bucket.fill_interval)
        message = f'expected a duration of at least "50ms", got "{given}"'
        yield Problem((*loc, "fillInterval"), message)
