"""What active health checks know of an endpoint, and what an outcome makes of it. Pure.

    (health, outcome) -> health -> seconds to the next check

Source: Envoy's "Health checking" page; ``health_checker_base_impl.cc``. One rule is ours: the endpoints
that a cluster comes with are trusted until each was checked once; Envoy holds the cluster back for that time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from random import Random

from mesh.model.health_check import HealthCheck


class Outcome(Enum):
    """Of a check."""

    PASSED = "passed"
    FAILED = "failed"  # it was said that all is not well
    RETRIABLE = "retriable"  # ... by a status that may be only for now
    NETWORK = "network"  # no connection, or none that lasted
    TIMEOUT = "timeout"
    PASSIVE = "passive"  # no check: an answer to a request asked to be left out


NETWORK_FAILURES = frozenset((Outcome.NETWORK, Outcome.TIMEOUT))
_COUNTED = NETWORK_FAILURES | {Outcome.RETRIABLE}  # these only fail an endpoint when they are enough


@dataclass(frozen=True, slots=True)
class Health:
    """``is_excluded``: it asked to be left out (``x-envoy-immediate-health-check-fail``), and does not count
    as a sick one when it is asked how healthy its level is."""

    has_failed: bool = True
    is_checked: bool = False  # at least once
    is_timed_out: bool = False  # the last failure was no answer in time
    is_excluded: bool = False
    passes: int = 0
    failures: int = 0


NEW = Health()
TRUSTED = Health(has_failed=False)


def after(health: Health, outcome: Outcome, rules: HealthCheck) -> Health:
    """What is known after this outcome."""
    if outcome is Outcome.PASSED:
        return _after_pass(health, rules)
    failures, has_failed = health.failures, health.has_failed
    if not has_failed:
        failures += outcome in _COUNTED
        enough = outcome not in _COUNTED or failures >= rules.unhealthy_threshold
        has_failed = enough or not health.is_checked
    return replace(
        health,
        has_failed=has_failed,
        is_checked=True,
        is_timed_out=has_failed and outcome is Outcome.TIMEOUT,
        passes=0,
        failures=failures,
    )


def _after_pass(health: Health, rules: HealthCheck) -> Health:
    passes = health.passes + health.has_failed
    if not health.has_failed or not health.is_checked or passes >= rules.healthy_threshold:
        return Health(
            has_failed=False, is_checked=True, is_excluded=health.is_excluded and not health.has_failed
        )
    return replace(health, passes=passes, failures=0)


def interval_s(
    before: Health, now: Health, outcome: Outcome, rules: HealthCheck, had_traffic: bool, rng: Random
) -> float:
    """Until the next check, with its jitter."""
    passed = outcome is Outcome.PASSED
    on_edge = before.has_failed == now.has_failed == passed  # this counted, but changed nothing
    if not had_traffic:
        base = rules.no_traffic_interval_s
        if passed and not on_edge and rules.no_traffic_healthy_interval_s is not None:
            base = rules.no_traffic_healthy_interval_s
    elif passed:
        base = _first(rules.healthy_edge_interval_s if on_edge else None, rules.interval_s)
    else:
        base = _first(
            rules.unhealthy_edge_interval_s if on_edge else None, rules.unhealthy_interval_s, rules.interval_s
        )
    return jittered_s(base, rules, rng)


def jittered_s(base: float, rules: HealthCheck, rng: Random) -> float:
    """At least a millisecond, so that nothing spins."""
    for jitter in (base * rules.interval_jitter_percent / 100, rules.interval_jitter_s):
        if jitter:
            base += rng.random() * jitter
    return max(base, 0.001)


def _first(*intervals: float | None) -> float:
    return next(one for one in intervals if one is not None)
