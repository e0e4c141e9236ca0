"""Whether to try again, and when. Pure.

The words are Envoy's ``retry_on``. One rule goes before all of them: a request that may have reached an
upstream is sent again only if doing it twice is harmless (RFC 9110 section 9.2.2), whatever the policy says;
what surely did not happen (``definite``) may be sent again always.

A reused connection that dies without a byte of response is the keep-alive race (the server closed it just as
the request went out): RFC 9112 section 9.3.1 lets idempotent requests be repeated, and so do we, on a fresh
connection and without any policy.
"""

from __future__ import annotations

from random import Random

from mesh.model.route import RetryPolicy
from mesh.proxy.failure import Failure, Kind, Stage

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))

_CONNECT_WORDS = frozenset(("connect-failure", "reset", "reset-before-request", "gateway-error", "5xx"))
_RESET_WORDS = frozenset(("reset", "gateway-error", "5xx"))
_RESET_KINDS = frozenset((Kind.CONNECTION_TERMINATION, Kind.PROTOCOL_ERROR, Kind.PER_TRY_TIMEOUT))


def should_retry(policy: RetryPolicy | None, failure: Failure, method: bytes, retries: int) -> bool:
    """``retries`` counts those already made."""
    if policy is None or retries >= policy.attempts or failure.stage is Stage.RESPONSE:
        return False
    if failure.kind in (Kind.CONNECTION_FAILURE, Kind.CONNECTION_TIMEOUT):
        return not _CONNECT_WORDS.isdisjoint(policy.retry_on)
    if failure.kind not in _RESET_KINDS or method not in IDEMPOTENT:
        return False
    if failure.kind is Kind.CONNECTION_TERMINATION and failure.reused:
        return True
    return not _RESET_WORDS.isdisjoint(policy.retry_on)


def should_retry_status(policy: RetryPolicy | None, status: int, method: bytes, retries: int) -> bool:
    """Whether a response with this status is worth another attempt."""
    if policy is None or retries >= policy.attempts or method not in IDEMPOTENT:
        return False
    words = policy.retry_on
    return (
        ("5xx" in words and status >= 500)
        or ("gateway-error" in words and status in (502, 503, 504))
        or ("retriable-4xx" in words and status == 409)
        or ("retriable-status-codes" in words and status in policy.retriable_status_codes)
    )


def backoff_s(policy: RetryPolicy, retry: int, rng: Random) -> float:
    """Seconds before retry number ``retry`` (from 1): Envoy's fully jittered exponential back-off."""
    ceiling: float = min(policy.base_interval_s * (2**retry - 1), policy.max_interval_s)
    return rng.random() * ceiling
