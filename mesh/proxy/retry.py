"""Whether an attempt is worth another one, and when. Pure; how many there may be is counted elsewhere.

The words are Envoy's ``retry_on`` (``retry_state_impl.cc``). One rule goes before all of them: what may have
been carried out is sent again only if doing it twice is harmless (RFC 9110 section 9.2.2), or if the policy
has the word ``non-idempotent``, ours, which Envoy does not know and passes over. What surely was not carried
out may be sent again always: it never went out, the server refused the stream, a rate limit turned it away,
or a gRPC server says a status in place of an answer, whose repetition the policy asks for by name.

A reused connection that dies without a byte of response is the keep-alive race (the server closed it just as
the request went out): RFC 9112 section 9.3.1 lets idempotent requests be repeated, and so do we, on a fresh
connection and without any policy.
"""

from __future__ import annotations

from random import Random

from mesh.http.message import Response
from mesh.model.route import NON_IDEMPOTENT, RetryPolicy
from mesh.proxy.failure import Failure, Kind, Stage

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))

_RESET_WORDS = frozenset(("reset", "gateway-error", "5xx"))
_CONNECT_WORDS = _RESET_WORDS | {"connect-failure", "reset-before-request"}
_REFUSED_WORDS = _RESET_WORDS | {"refused-stream"}
_RESET_KINDS = frozenset(
    (
        *(Kind.CONNECTION_TERMINATION, Kind.REMOTE_RESET, Kind.CONNECT_ERROR, Kind.PROTOCOL_ERROR),
        Kind.PER_TRY_TIMEOUT,
    )
)
_NEVER = frozenset(
    (Kind.OVERFLOW, Kind.NO_ROUTE, Kind.NO_CLUSTER, Kind.NO_HEALTHY_UPSTREAM, Kind.TIMEOUT, Kind.MAX_DURATION)
)
_GRPC_WORDS = {
    b"1": "cancelled",
    b"4": "deadline-exceeded",
    b"8": "resource-exhausted",
    b"13": "internal",
    b"14": "unavailable",
}


def should_retry(policy: RetryPolicy, failure: Failure, method: bytes) -> bool:
    """Whether what became of this attempt is worth another one."""
    if failure.stage is Stage.RESPONSE or failure.kind in _NEVER:
        return False
    if failure.kind in (Kind.CONNECTION_FAILURE, Kind.CONNECTION_TIMEOUT):
        return not _CONNECT_WORDS.isdisjoint(policy.retry_on)
    if failure.definite:
        return not _REFUSED_WORDS.isdisjoint(policy.retry_on)
    if failure.kind is Kind.CONNECTION_TERMINATION and failure.reused and method in IDEMPOTENT:
        return True
    return (
        failure.kind in _RESET_KINDS
        and may_repeat(policy, method)
        and not _RESET_WORDS.isdisjoint(policy.retry_on)
    )


def should_retry_response(policy: RetryPolicy, response: Response, method: bytes) -> bool:
    """Whether another attempt may bring a better response than this one."""
    words, fields = policy.retry_on, response.fields
    if b"x-envoy-ratelimited" in fields:
        return "envoy-ratelimited" in words
    grpc_status = fields.get(b"grpc-status")
    if grpc_status is not None and _GRPC_WORDS.get(grpc_status.strip()) in words:
        return True
    return may_repeat(policy, method) and _is_bad(policy, response)


def _is_bad(policy: RetryPolicy, response: Response) -> bool:
    words, status = policy.retry_on, response.status
    return (
        ("5xx" in words and status >= 500)
        or ("gateway-error" in words and status in (502, 503, 504))
        or ("retriable-4xx" in words and status == 409)
        or ("retriable-status-codes" in words and status in policy.retriable_status_codes)
        or (
            "retriable-headers" in words
            and any(name.encode() in response.fields for name in policy.retriable_headers)
        )
    )


def may_repeat(policy: RetryPolicy, method: bytes) -> bool:
    """Whether a request that may have been carried out may be sent again."""
    return method in IDEMPOTENT or NON_IDEMPOTENT in policy.retry_on


def backoff_s(policy: RetryPolicy, retry: int, rng: Random) -> float:
    """Seconds before retry number ``retry`` (from 1): Envoy's fully jittered exponential back-off."""
    ceiling: float = min(policy.base_interval_s * 2 ** min(retry - 1, 60), policy.max_interval_s)
    return rng.random() * ceiling
