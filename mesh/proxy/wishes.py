"""What a request's own ``x-envoy-`` fields ask of the router: other time limits, other retries. Pure.

As Envoy's router does it for a route (``FilterUtility::finalTimeout``, ``RetryStateImpl``): retry conditions
add up with the route's, numbers replace them, and none of the fields is passed on. Who asks for retries of
this very request asks for them whatever its method. Whose fields are believed is decided in ``internal``.
"""

from __future__ import annotations

from dataclasses import replace

from mesh.http.message import Request
from mesh.model.route import NON_IDEMPOTENT, Forward, RetryPolicy

_RETRY_ON = b"x-envoy-retry-on"
_RETRY_GRPC_ON = b"x-envoy-retry-grpc-on"
_MAX_RETRIES = b"x-envoy-max-retries"
_STATUS_CODES = b"x-envoy-retriable-status-codes"
_HEADER_NAMES = b"x-envoy-retriable-header-names"
_TIMEOUT = b"x-envoy-upstream-rq-timeout-ms"
_TRY_TIMEOUT = b"x-envoy-upstream-rq-per-try-timeout-ms"
# Envoy's, and taken off as there: a try that takes too long is ended here, never raced by a second one
_HEDGE = b"x-envoy-hedge-on-per-try-timeout"

WISHES = frozenset(
    (_RETRY_ON, _RETRY_GRPC_ON, _MAX_RETRIES, _STATUS_CODES, _HEADER_NAMES, _TIMEOUT, _TRY_TIMEOUT, _HEDGE)
)

# A route without a policy, to which a request adds one: Envoy's defaults.
_ENVOYS = RetryPolicy(1, (), avoid_previous_hosts=False)


def heed(forward: Forward, request: Request) -> Forward:
    """The route as this request wants it; the fields come off the request."""
    said = {name: value for name in WISHES if (value := request.get(name)) is not None}
    for name in said:
        request.remove(name)
    timeout_ms = _number(said.get(_TIMEOUT))
    if timeout_ms is not None:
        forward = replace(forward, timeout_s=timeout_ms / 1000 or None)
    policy = _policy(forward.retry, said)
    try_ms = _number(said.get(_TRY_TIMEOUT))
    if try_ms is not None:
        limit = RetryPolicy(0, ()) if policy is None else policy
        policy = replace(limit, per_try_timeout_s=try_ms / 1000 or None)
    return replace(forward, retry=policy)


def _policy(policy: RetryPolicy | None, said: dict[bytes, bytes]) -> RetryPolicy | None:
    words = (*_texts(said.get(_RETRY_ON)), *_texts(said.get(_RETRY_GRPC_ON)))
    if policy is None and not words:
        return None
    base = policy or _ENVOYS
    attempts = _number(said.get(_MAX_RETRIES))
    codes = (number for text in _texts(said.get(_STATUS_CODES)) if (number := _number(text.encode())))
    return replace(
        base,
        attempts=base.attempts if attempts is None else attempts,
        retry_on=tuple(dict.fromkeys((*base.retry_on, *words, *((NON_IDEMPOTENT,) if words else ())))),
        retriable_status_codes=(*base.retriable_status_codes, *codes),
        retriable_headers=(
            *base.retriable_headers,
            *(name.lower() for name in _texts(said.get(_HEADER_NAMES))),
        ),
    )


def _texts(value: bytes | None) -> tuple[str, ...]:
    parts = (value or b"").decode("latin-1").split(",")
    return tuple(text for part in parts if (text := part.strip()))


def _number(value: bytes | None) -> int | None:
    """A whole number from 0; anything else is as if it were not there."""
    if value is None or not value.isdigit() or len(value) > 12:
        return None
    return int(value)
