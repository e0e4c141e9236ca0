"""Local rate limits: how many requests, or connections, a proxy lets through by itself.

Envoy's ``local_ratelimit`` filters in their own words; percentages are 0..100.
"""

from __future__ import annotations

from dataclasses import dataclass

MIN_FILL_INTERVAL_S = 0.05  # Envoy's


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """Full at first; ``tokens_per_fill`` come back in each interval, evenly."""

    max_tokens: int
    tokens_per_fill: int = 1
    fill_interval_s: float = 1.0


@dataclass(frozen=True, slots=True)
class LocalRateLimit:
    """Of requests. Those that it is ``enabled`` for, and that find no token, are limited.

    Of these, those that it is ``enforced`` for are refused with the status, the others only counted.
    """

    stat_prefix: str
    bucket: TokenBucket
    enabled: float = 100.0
    enforced: float = 100.0
    status: int = 429
    response_headers: tuple[tuple[str, str], ...] = ()  # set on the refusal
    resource_exhausted: bool = False  # gRPC clients are told 8 in place of 14


@dataclass(frozen=True, slots=True)
class ConnectionRateLimit:
    """Of connections that are only bytes: without a token they are closed."""

    stat_prefix: str
    bucket: TokenBucket
