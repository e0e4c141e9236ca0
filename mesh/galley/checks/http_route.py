"""One rule of ``VirtualService.spec.http``."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

import re2

from mesh.galley.api.base import given
from mesh.galley.api.http_route import (
    CorsPolicy,
    Destination,
    HeaderOperations,
    HttpDirectResponse,
    HttpMatch,
    HttpRetry,
    HttpRoute,
    HttpRouteDestination,
    RegexRewrite,
)
from mesh.galley.api.virtual_service import RouteDestination
from mesh.galley.checks.common import (
    Problems,
    check_changed_header,
    check_dns_label,
    check_header_names,
    check_header_value,
    check_host,
    check_labels,
    check_regex,
)
from mesh.galley.checks.request_match import check_request_match
from mesh.galley.fault import Loc, Problem, did_you_mean, quoted
from mesh.model.grpc_status import GRPC_STATUS, grpc_status

MAX_BODY_BYTES = 1024 * 1024  # Istio's limit of a direct response
MAX_WEIGHT_SUM = 2**32 - 1  # Envoy's limit of the sum of weights

ACTIONS = ("route", "redirect", "directResponse", "delegate")

RETRY_WORDS = frozenset(
    {
        "5xx",
        "gateway-error",
        "reset",
        "reset-before-request",
        "connect-failure",
        "envoy-ratelimited",
        "retriable-4xx",
        "refused-stream",
        "retriable-status-codes",
        "retriable-headers",
        "http3-post-connect-failure",
        "cancelled",
        "deadline-exceeded",
        "internal",
        "resource-exhausted",
        "unavailable",
    }
)


def check_http_route(rule: HttpRoute, loc: Loc) -> Problems:
    for index, match in enumerate(rule.match):
        yield from _check_match(match, (*loc, "match", index))
    yield from _check_action(rule, loc)
    yield from check_destinations(rule.route, (*loc, "route"))
    if rule.direct_response is not None:
        yield from _check_direct_response(rule.direct_response, (*loc, "directResponse"))
    if rule.retries is not None:
        yield from _check_retries(rule.retries, (*loc, "retries"))
    if rule.rewrite is not None and rule.rewrite.uri_regex_rewrite is not None:
        yield from _check_regex_rewrite(rule.rewrite.uri_regex_rewrite, (*loc, "rewrite", "uriRegexRewrite"))
    abort = rule.fault.abort if rule.fault is not None else None
    if abort is not None and abort.grpc_status is not None and grpc_status(abort.grpc_status) is None:
        hint = did_you_mean(abort.grpc_status, GRPC_STATUS)
        at = (*loc, "fault", "abort", "grpcStatus")
        yield Problem(
            at, f"expected a gRPC status such as UNAVAILABLE, got {quoted(abort.grpc_status)}{hint}"
        )
    yield from _check_mirrors(rule, loc)
    if rule.cors_policy is not None:
        yield from _check_cors(rule.cors_policy, (*loc, "corsPolicy"))
    yield from _check_all_headers(rule, loc)


def _check_mirrors(rule: HttpRoute, loc: Loc) -> Problems:
    if rule.mirror is not None and rule.mirrors:
        yield Problem((*loc, "mirror"), "expected mirror or mirrors, got both")
    for mirrored, at in _mirrors(rule, loc):
        yield from check_destination(mirrored, at)


def _check_regex_rewrite(rewrite: RegexRewrite, loc: Loc) -> Problems:
    """The pattern is RE2, and the substitution names none but its groups (Envoy refuses it otherwise)."""
    problems = list(check_regex(rewrite.match, (*loc, "match")))
    yield from problems
    named = [int(digit) for digit in re.findall(r"\\\\|\\(\d)", rewrite.rewrite) if digit]
    if re.search(r"\\(?![\\\d])", rewrite.rewrite.replace("\\\\", "")):
        yield Problem((*loc, "rewrite"), "expected a digit or another backslash after each backslash")
    elif not problems and max(named, default=0) > re2.compile(rewrite.match).groups:
        yield Problem((*loc, "rewrite"), f"expected groups of the pattern, got \\{max(named)}")


def _check_cors(policy: CorsPolicy, loc: Loc) -> Problems:
    """Origins that are RE2, names that are names: they are written into the answer as they stand."""
    for index, origin in enumerate(policy.allow_origins):
        if origin.regex is not None:
            yield from check_regex(origin.regex, (*loc, "allowOrigins", index, "regex"))
    lists = (
        ("allowMethods", policy.allow_methods),
        ("allowHeaders", policy.allow_headers),
        ("exposeHeaders", policy.expose_headers),
    )
    for name, texts in lists:
        yield from check_header_names(texts, (*loc, name))


def _mirrors(rule: HttpRoute, loc: Loc) -> list[tuple[Destination, Loc]]:
    several = [(m.destination, (*loc, "mirrors", i, "destination")) for i, m in enumerate(rule.mirrors)]
    return several if rule.mirror is None else [(rule.mirror, (*loc, "mirror")), *several]


def _check_action(rule: HttpRoute, loc: Loc) -> Problems:
    """Exactly one action, and nothing beside it that could never take effect (Istio refuses it too)."""
    found = [name for name in given(rule) if name in ACTIONS and (name != "route" or rule.route)]
    if len(found) != 1:
        names = "route, redirect or directResponse"
        yield Problem(loc, f"expected exactly one of {names}, got {' and '.join(found) or 'none'}")
        return
    if found[0] in ("redirect", "directResponse"):
        for name in ("rewrite", "fault"):
            if name in given(rule):
                yield Problem((*loc, name), f"expected no {name} beside {found[0]}: nothing is forwarded")


def _check_match(match: HttpMatch, loc: Loc) -> Problems:
    yield from check_request_match(match, loc)
    yield from check_labels(match.source_labels, (*loc, "sourceLabels"))
    if match.source_namespace:
        yield from check_dns_label(match.source_namespace, (*loc, "sourceNamespace"))


def check_destinations(routes: Sequence[HttpRouteDestination | RouteDestination], loc: Loc) -> Problems:
    """Weights are shares of their sum; a single destination needs none."""
    for index, route in enumerate(routes):
        yield from check_destination(route.destination, (*loc, index, "destination"))
    total = sum(route.weight for route in routes)
    if len(routes) > 1 and total == 0:
        yield Problem(loc, "expected weights with a sum above 0, got 0")
    if total > MAX_WEIGHT_SUM:
        yield Problem(loc, f"expected weights with a sum of at most {MAX_WEIGHT_SUM}, got {total}")


def check_destination(destination: Destination, loc: Loc) -> Problems:
    yield from check_host(destination.host, (*loc, "host"), wildcard=False)
    if destination.subset:
        yield from check_dns_label(destination.subset, (*loc, "subset"))


def _check_direct_response(response: HttpDirectResponse, loc: Loc) -> Problems:
    if response.body is None:
        return
    if response.body.string is not None:
        at, size = (*loc, "body", "string"), len(response.body.string.encode())
    else:
        at = (*loc, "body", "bytes")
        try:
            size = len(base64.b64decode(response.body.bytes_ or "", validate=True))
        except (binascii.Error, ValueError):
            yield Problem(at, f"expected base64, got {quoted(response.body.bytes_)}")
            return
    if size > MAX_BODY_BYTES:
        yield Problem(at, f"expected at most {MAX_BODY_BYTES} bytes, got {size}")


def _check_retries(retries: HttpRetry, loc: Loc) -> Problems:
    for word in filter(None, (part.strip() for part in retries.retry_on.split(","))):
        is_status = word.isascii() and word.isdigit() and 100 <= int(word[:4]) <= 599
        if word not in RETRY_WORDS and not is_status:
            hint = did_you_mean(word, RETRY_WORDS)
            yield Problem((*loc, "retryOn"), f"unknown retry condition {quoted(word)}{hint}")


def _check_all_headers(rule: HttpRoute, loc: Loc) -> Problems:
    owners = [(rule.headers, (*loc, "headers"))]
    owners += [(route.headers, (*loc, "route", i, "headers")) for i, route in enumerate(rule.route)]
    for headers, at in owners:
        if headers is not None and headers.request is not None:
            yield from _check_operations(headers.request, (*at, "request"))
        if headers is not None and headers.response is not None:
            yield from _check_operations(headers.response, (*at, "response"))


def _check_operations(operations: HeaderOperations, loc: Loc) -> Problems:
    for name, values in (("set", operations.set), ("add", operations.add)):
        for key, value in values.items():
            yield from check_changed_header(key, (*loc, name, key))
            yield from check_header_value(value, (*loc, name, key))
    for index, key in enumerate(operations.remove):
        yield from check_changed_header(key, (*loc, "remove", index))
