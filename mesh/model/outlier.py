"""Outlier detection: when an endpoint that misbehaves is left out for a while (Envoy's detectors).

Of its answers the statuses 500..599 are errors. With ``split_local_origin`` failures to connect and time-outs
count apart, as local origin failures; without, they count as 503 and 504.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SuccessRate:
    """Who succeeds much less often than the others: below their mean by ``stdev_factor`` / 1000 standard
    deviations.

    Looked at after each interval, among the endpoints that had ``request_volume`` requests in it, if these
    are ``minimum_hosts``. ``enforcing`` % of the detected are ejected, by their answers and by local origin.
    """

    minimum_hosts: int = 5
    request_volume: int = 100
    stdev_factor: int = 1900
    enforcing: int = 100
    enforcing_local_origin: int = 100


@dataclass(frozen=True, slots=True)
class FailurePercentage:
    """Who fails in ``threshold`` % of its requests, or more; the rest as above."""

    threshold: int = 85
    minimum_hosts: int = 5
    request_volume: int = 50
    enforcing: int = 100
    enforcing_local_origin: int = 100


@dataclass(frozen=True, slots=True)
class OutlierDetection:
    """Counts are of consecutive errors, 0 = never.

    An ejection lasts ``base_ejection_time_s`` times the number of ejections not yet forgotten, at most
    ``max_ejection_time_s`` (None: 300 s, or the base if that is more), and a random part of the jitter. At
    most ``max_ejection_percent`` of the endpoints are out, or one, where ``always_eject_one_host``.
    """

    consecutive_5xx: int = 5
    consecutive_gateway_failure: int = 0
    split_local_origin: bool = False
    consecutive_local_origin_failure: int = 5
    interval_s: float = 10.0
    base_ejection_time_s: float = 30.0
    max_ejection_percent: int = 10
    max_ejection_time_s: float | None = None
    max_ejection_time_jitter_s: float = 0.0
    always_eject_one_host: bool = False
    uneject_on_health_check: bool = True  # an active health check that passes brings it back at once
    success_rate: SuccessRate | None = None
    failure_percentage: FailurePercentage | None = None

    @property
    def longest_ejection_s(self) -> float:
        """Without the jitter."""
        if self.max_ejection_time_s is not None:
            return self.max_ejection_time_s
        return max(300.0, self.base_ejection_time_s)
