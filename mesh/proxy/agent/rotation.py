"""When to renew a certificate, and how long to wait between tries. Pure: clock and dice are arguments."""

from __future__ import annotations

from random import Random

GRACE_PERIOD_RATIO = 0.5  # Istio's SECRET_GRACE_PERIOD_RATIO: renew when this share of the life is left
GRACE_PERIOD_JITTER = 0.01  # Istio's SECRET_GRACE_PERIOD_RATIO_JITTER, so that a fleet does not ask at once
MIN_LIFE_S = 1.0  # never renew sooner than this, however the clocks of the two sides differ

BACKOFF_BASE_S = 0.1
BACKOFF_MAX_S = 1.0


def rotate_at(issued: float, expires: float, rng: Random) -> float:
    """The moment to ask for the next certificate.

    Life counts from when we got the certificate: its notBefore is backdated against clock skew.
    """
    ratio = GRACE_PERIOD_RATIO + rng.uniform(-GRACE_PERIOD_JITTER, GRACE_PERIOD_JITTER)
    return max(expires - ratio * (expires - issued), issued + MIN_LIFE_S)


def backoff_s(failures: int, rng: Random) -> float:
    """How long to wait after this many failures in a row (1..): doubling, capped, and half of it jitter."""
    doublings = min(failures - 1, 16)  # more than reach the cap; an outage may last thousands of tries
    ceiling = min(BACKOFF_BASE_S * 2.0**doublings, BACKOFF_MAX_S)
    return rng.uniform(ceiling / 2, ceiling)
