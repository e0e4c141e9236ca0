"""Retries: Istio's defaults and what a rule says instead."""

from __future__ import annotations

from mesh.galley.api.http_route import HttpRetry
from mesh.model.route import NON_IDEMPOTENT, RetryPolicy

DEFAULT_RETRY_ON = (
    "connect-failure",
    "refused-stream",
    "unavailable",
    "cancelled",
    "retriable-status-codes",
)
# No status codes: a 503 is not retried unless somebody asks, because the request may have been carried out
# (Istio since 1.24, EXCLUDE_UNSAFE_503_FROM_DEFAULT_RETRY)
DEFAULT_RETRY = RetryPolicy(2, DEFAULT_RETRY_ON)

_ATTEMPTS_A_LEVEL = 2  # then others are tried, with retryRemoteLocalities (Istio's update_frequency)


def retry_policy(retries: HttpRetry | None, non_idempotent: bool = False) -> RetryPolicy | None:
    """The rule's policy; None is "no retries", which ``attempts: 0`` asks for.

    ``non_idempotent``: the user wants POST and PATCH, too, sent again where they may have been carried out;
    that is about conditions the rule names, so it takes a rule with ``retries``.
    """
    if retries is None:
        return DEFAULT_RETRY
    if retries.attempts == 0:
        return None
    words, codes = _retry_on(retries.retry_on)
    words = words or DEFAULT_RETRY_ON
    base_s = retries.backoff or DEFAULT_RETRY.base_interval_s
    return RetryPolicy(
        retries.attempts,
        (*words, NON_IDEMPOTENT) if non_idempotent else words,
        per_try_timeout_s=retries.per_try_timeout,
        retriable_status_codes=codes,
        previous_priorities=_ATTEMPTS_A_LEVEL if retries.retry_remote_localities else 0,
        avoid_previous_hosts=retries.retry_ignore_previous_hosts is not False,
        base_interval_s=base_s,
        max_interval_s=10 * base_s,  # Envoy's own rule where only the base is given
    )


def _retry_on(text: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Conditions and status codes of "gateway-error,503"; codes imply ``retriable-status-codes``."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    words = [part for part in parts if not part.isdigit()]
    codes = tuple(int(part) for part in parts if part.isdigit())
    if codes and "retriable-status-codes" not in words:
        words.append("retriable-status-codes")
    return tuple(words), codes
