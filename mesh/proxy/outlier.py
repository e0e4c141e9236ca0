"""Outlier detection: an endpoint that keeps failing is left out for a while. Pure: clock and dice are given.

    answered(status) / failed(failure) -> consecutive errors ───┐
                                       -> rates of an interval ─┴─> eject -> base time x ejections -> back

Source: Envoy's "Outlier detection" page and ``outlier_detection_impl.cc``; the counters are Envoy's. A
detector that nobody asked for does not run; Envoy's then still counts what it would have found.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from mesh.model.outlier import OutlierDetection
from mesh.proxy.failure import Failure, Kind, Stage
from mesh.proxy.stats import Stats
from mesh.proxy.success_rate import Tally, below_the_others, failing_too_often

_GATEWAY_ERRORS = frozenset((502, 503, 504))
_TIMEOUTS = frozenset((Kind.TIMEOUT, Kind.PER_TRY_TIMEOUT))
# the upstream is not to blame for these
_OURS = frozenset((Kind.NO_ROUTE, Kind.NO_CLUSTER, Kind.NO_HEALTHY_UPSTREAM, Kind.OVERFLOW))
_5XX, _GATEWAY, _LOCAL, _RATE, _LOCAL_RATE, _PERCENTAGE, _LOCAL_PERCENTAGE = range(7)
_NAMES = (
    "consecutive_5xx",
    "consecutive_gateway_failure",
    "consecutive_local_origin_failure",
    "success_rate",
    "local_origin_success_rate",
    "failure_percentage",
    "local_origin_failure_percentage",
)


class OutlierStats:
    """Envoy's ``cluster.<name>.outlier_detection.`` counters."""

    __slots__ = ("active", "detected", "enforced", "enforced_total", "overflow")

    def __init__(self, stats: Stats, cluster: str) -> None:
        prefix = f"cluster.{cluster}.outlier_detection.ejections_"
        self.active = stats.gauge(prefix + "active")
        self.overflow = stats.counter(prefix + "overflow")
        self.enforced_total = stats.counter(prefix + "enforced_total")
        self.detected = [stats.counter(f"{prefix}detected_{name}") for name in _NAMES]
        self.enforced = [stats.counter(f"{prefix}enforced_{name}") for name in _NAMES]


class Monitor:
    """What is remembered of one endpoint. ``ejections`` are those not yet forgotten."""

    __slots__ = (
        "_counts",
        "_detector",
        "back_at",
        "ejections",
        "external",
        "is_ejected",
        "local",
        "unejected_at",
    )

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._counts = [0, 0, 0]
        self.is_ejected = False
        self.back_at = 0.0
        self.unejected_at = 0.0
        self.ejections = 0
        self.external = Tally() if detector.counts_rates else None
        split = detector.rules.split_local_origin
        self.local = Tally() if detector.counts_rates and split else None

    def answered(self, status: int) -> None:
        """It answered, with this HTTP status."""
        self._reached()
        self._origin_error(status)

    def connected(self) -> None:
        """A connection was made, and that is all that was asked of it (TCP)."""
        if self._detector.rules.split_local_origin:
            self._reached()
        else:
            self._origin_error(200)

    def _reached(self) -> None:
        self._counts[_LOCAL] = 0
        if self.local is not None:
            self.local.add(True)

    def failed(self, failure: Failure) -> None:
        """It did not answer: a time-out counts as 504, everything else as 503, unless counted apart."""
        kind = failure.kind
        if kind in _OURS or (kind in _TIMEOUTS and failure.stage is Stage.RESPONSE):
            return
        if not self._detector.rules.split_local_origin:
            self._origin_error(504 if kind in _TIMEOUTS else 503)
            return
        if failure.stage is not Stage.CONNECT:
            self._reached()
        if self.local is not None:
            self.local.add(False)
        self._error(_LOCAL)

    def _origin_error(self, status: int) -> None:
        counts = self._counts
        is_error = 500 <= status < 600
        if self.external is not None:
            self.external.add(not is_error)
        if not is_error:
            counts[_5XX] = counts[_GATEWAY] = 0
            return
        if status in _GATEWAY_ERRORS:
            self._error(_GATEWAY)
        else:
            counts[_GATEWAY] = 0
        self._error(_5XX)

    def _error(self, which: int) -> None:
        self._counts[which] += 1
        detector = self._detector
        if self._counts[which] == detector.limits[which] and not self.is_ejected:
            self._counts[which] = 0
            detector.detected(self, which)

    def forgive(self) -> None:
        """It takes requests again, with nothing held against it but the number of its ejections."""
        self.is_ejected = False
        self._counts = [0, 0, 0]


class Detector:
    """One cluster's. ``changed`` is called after endpoints were ejected or came back, ``ejected`` with each
    that this detector ejects and for how many seconds."""

    def __init__(
        self,
        rules: OutlierDetection,
        stats: OutlierStats,
        clock: Callable[[], float],
        rng: Random,
        changed: Callable[[], None],
        ejected: Callable[[Monitor, float], None] = lambda _monitor, _for_s: None,
    ) -> None:
        self.rules = rules
        self.limits = (
            rules.consecutive_5xx,
            rules.consecutive_gateway_failure,
            rules.consecutive_local_origin_failure,
        )
        self.counts_rates = rules.success_rate is not None or rules.failure_percentage is not None
        self.monitors: dict[Monitor, None] = {}  # in the order in which they came
        self._enforcing = _enforcing(rules)
        self._stats = stats
        self._clock = clock
        self._rng = rng
        self._changed = changed
        self._ejected = ejected

    def watch(self) -> Monitor:
        """A monitor for a new endpoint."""
        monitor = Monitor(self)
        self.monitors[monitor] = None
        return monitor

    def forget(self, monitor: Monitor) -> None:
        """The endpoint is gone."""
        self.monitors.pop(monitor, None)
        if monitor.is_ejected:
            self._stats.active.value -= 1

    def detected(self, monitor: Monitor, which: int) -> None:
        """It is an outlier: eject it, unless too many others are out already."""
        if self._eject(monitor, which):
            self._changed()

    def _eject(self, monitor: Monitor, which: int) -> bool:
        stats = self._stats
        stats.detected[which].value += 1
        if monitor.is_ejected:
            return False  # by another detector, a moment ago
        if not self._may_eject():
            stats.overflow.value += 1
            return False
        share = self._enforcing[which]
        if share < 100 and self._rng.random() * 100 >= share:
            return False
        stats.enforced[which].value += 1
        stats.enforced_total.value += 1
        self._remember_ejection(monitor)
        rules = self.rules
        jitter = (
            self._rng.random() * rules.max_ejection_time_jitter_s if rules.max_ejection_time_jitter_s else 0
        )
        for_s = min(rules.base_ejection_time_s * monitor.ejections, rules.longest_ejection_s) + jitter
        monitor.back_at = self._clock() + for_s
        self._ejected(monitor, for_s)
        return True

    def ejected_elsewhere(self, monitor: Monitor, for_s: float) -> None:
        """By another worker of this proxy, which has counted it."""
        if not monitor.is_ejected:
            self._remember_ejection(monitor)
            monitor.back_at = self._clock() + for_s
            self._changed()

    def ejected_for(self, monitor: Monitor) -> float:
        """How many seconds more; 0: it is in."""
        return max(monitor.back_at - self._clock(), 0.0) if monitor.is_ejected else 0.0

    def _remember_ejection(self, monitor: Monitor) -> None:
        base, longest = self.rules.base_ejection_time_s, self.rules.longest_ejection_s
        if monitor.ejections * base < longest + base:
            monitor.ejections += 1
        monitor.is_ejected = True
        self._stats.active.value += 1

    def _may_eject(self) -> bool:
        out = sum(monitor.is_ejected for monitor in self.monitors)
        if self.rules.always_eject_one_host and not out:
            return True
        return 100 * (out + 1) <= self.rules.max_ejection_percent * len(self.monitors)

    def passed_health_check(self, monitor: Monitor) -> None:
        """It answered an active health check as it should: as good as time served."""
        if monitor.is_ejected and self.rules.uneject_on_health_check:
            self._take_back(monitor, self._clock())
            self._changed()

    def _take_back(self, monitor: Monitor, now: float) -> None:
        monitor.forgive()
        monitor.unejected_at = now
        self._stats.active.value -= 1

    def tick(self) -> bool:
        """Every interval: let back in whose time is over, look at the rates, forget old ejections.

        Answers whether there will be something to do at the next tick.
        """
        now, changed = self._clock(), False
        for monitor in self.monitors:
            if monitor.is_ejected and now >= monitor.back_at:
                self._take_back(monitor, now)
                changed = True
        if self.counts_rates:
            changed = self._judge_rates() or changed
        for monitor in self.monitors:
            stayed_in = not monitor.is_ejected and now - monitor.unejected_at >= self.rules.interval_s
            if stayed_in and monitor.ejections:
                monitor.ejections -= 1
        if changed:
            self._changed()
        return self.counts_rates or any(one.is_ejected or one.ejections for one in self.monitors)

    def _judge_rates(self) -> bool:
        """Eject by what the interval that is over has shown, first by answers; whether anybody was."""
        answers = {one: one.external for one in self.monitors if one.external is not None}
        local = {one: one.local for one in self.monitors if one.local is not None}
        by_answers = self._judge(_RATE, _PERCENTAGE, answers)
        return self._judge(_LOCAL_RATE, _LOCAL_PERCENTAGE, local) or by_answers

    def _judge(self, by_rate: int, by_percentage: int, tallies: dict[Monitor, Tally]) -> bool:
        for tally in tallies.values():
            tally.turn()
        judged = {monitor: tally for monitor, tally in tallies.items() if not monitor.is_ejected}
        rate, percentage = self.rules.success_rate, self.rules.failure_percentage
        outliers: list[tuple[Monitor, int]] = []
        if rate is not None:
            outliers += [(monitor, by_rate) for monitor in below_the_others(judged, rate)]
        if percentage is not None:
            outliers += [(monitor, by_percentage) for monitor in failing_too_often(judged, percentage)]
        return any([self._eject(monitor, which) for monitor, which in outliers])


def _enforcing(rules: OutlierDetection) -> tuple[int, ...]:
    """Per cent of its findings on which each detector acts, in the order of their names."""
    rate, percentage = rules.success_rate, rules.failure_percentage
    return (
        *(100, 100, 100),
        *((rate.enforcing, rate.enforcing_local_origin) if rate else (0, 0)),
        *((percentage.enforcing, percentage.enforcing_local_origin) if percentage else (0, 0)),
    )
