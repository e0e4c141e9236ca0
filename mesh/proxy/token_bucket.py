"""A token bucket. Pure: the clock is an argument.

What is known is one moment: when it would have been empty, had it filled ever since (Envoy's
``AtomicTokenBucketImpl``). Tokens come back evenly, not interval by interval.
"""

from __future__ import annotations

from mesh.model.rate_limit import TokenBucket as Rules

MIN_FILL_RATE = 1 / (365 * 24 * 3600)  # tokens a second: slower than one a year is none


class TokenBucket:
    """A worker's part of it: of ``workers`` that count for themselves each has as many tokens."""

    __slots__ = ("_empty_at", "max_tokens", "per_second")

    def __init__(self, rules: Rules, now: float, workers: int = 1) -> None:
        self.max_tokens = max(rules.max_tokens / workers, min(rules.max_tokens, 1))
        self.per_second = max(rules.tokens_per_fill / rules.fill_interval_s / workers, MIN_FILL_RATE)
        self._empty_at = now - self.max_tokens / self.per_second

    def take(self, now: float) -> bool:
        """One token, if there is one."""
        tokens = self.tokens(now)
        if tokens < 1:
            return False
        self._empty_at = now - (tokens - 1) / self.per_second
        return True

    def tokens(self, now: float) -> float:
        return min(self.max_tokens, (now - self._empty_at) * self.per_second)
