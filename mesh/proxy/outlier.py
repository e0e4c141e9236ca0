"""Outlier detection: an endpoint that keeps failing is left out for a while. Pure: the clock is an argument.

    answered(status) / failed(failure) -> consecutive errors -> eject -> ... base time x ejections ... -> back

Source: Envoy's "Outlier detection" page and ``outlier_detection_impl.cc``; the counters are Envoy's. Only the
detectors of consecutive errors are there: Istio switches the others off.
"""

from __future__ import annotations

from collections.abc import Callable

from mesh.model.cluster import MAX_EJECTION_TIME_S, OutlierDetection
from mesh.proxy.failure import Failure, Kind, Stage
from mesh.proxy.stats import Stats

_GATEWAY_ERRORS = frozenset((502, 503, 504))
_TIMEOUTS = frozenset((Kind.TIMEOUT, Kind.PER_TRY_TIMEOUT))
# the upstream is not to blame for these
_OURS = frozenset((Kind.NO_ROUTE, Kind.NO_CLUSTER, Kind.NO_HEALTHY_UPSTREAM, Kind.OVERFLOW))
_5XX, _GATEWAY, _LOCAL = range(3)
_NAMES = ("consecutive_5xx", "consecutive_gateway_failure", "consecutive_local_origin_failure")


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

    __slots__ = ("_counts", "_detector", "ejected_at", "ejections", "is_ejected")

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._counts = [0, 0, 0]
        self.is_ejected = False
        self.ejected_at = 0.0
        self.ejections = 0

    def answered(self, status: int) -> None:
        """It answered, with this HTTP status."""
        self._counts[_LOCAL] = 0
        self._origin_error(status)

    def failed(self, failure: Failure) -> None:
        """It did not answer: a time-out counts as 504, everything else as 503, unless counted apart."""
        kind = failure.kind
        if kind in _OURS or (kind in _TIMEOUTS and failure.stage is Stage.RESPONSE):
            return
        if not self._detector.rules.split_local_origin:
            self._origin_error(504 if kind in _TIMEOUTS else 503)
            return
        if failure.stage is not Stage.CONNECT:
            self._counts[_LOCAL] = 0  # a connection there was
        self._error(_LOCAL)

    def _origin_error(self, status: int) -> None:
        counts = self._counts
        if not 500 <= status < 600:
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
    """One cluster's. ``changed`` is called after endpoints were ejected or came back."""

    def __init__(
        self,
        rules: OutlierDetection,
        stats: OutlierStats,
        clock: Callable[[], float],
        changed: Callable[[], None],
    ) -> None:
        self.rules = rules
        self.limits = (
            rules.consecutive_5xx,
            rules.consecutive_gateway_failure,
            rules.consecutive_local_origin_failure,
        )
        self.monitors: set[Monitor] = set()
        self._stats = stats
        self._clock = clock
        self._changed = changed
        self._max_time_s = max(MAX_EJECTION_TIME_S, rules.base_ejection_time_s)

    def watch(self) -> Monitor:
        """A monitor for a new endpoint."""
        monitor = Monitor(self)
        self.monitors.add(monitor)
        return monitor

    def forget(self, monitor: Monitor) -> None:
        """The endpoint is gone."""
        self.monitors.discard(monitor)
        if monitor.is_ejected:
            self._stats.active.value -= 1

    def detected(self, monitor: Monitor, which: int) -> None:
        """Too many errors: eject it, unless too many others are out already."""
        stats = self._stats
        stats.detected[which].value += 1
        out = 1 + sum(other.is_ejected for other in self.monitors)
        if 100 * out > self.rules.max_ejection_percent * len(self.monitors):
            stats.overflow.value += 1
            return
        stats.enforced[which].value += 1
        stats.enforced_total.value += 1
        stats.active.value += 1
        monitor.is_ejected = True
        monitor.ejected_at = self._clock()
        base = self.rules.base_ejection_time_s
        if monitor.ejections * base < self._max_time_s + base:
            monitor.ejections += 1
        self._changed()

    def tick(self) -> bool:
        """Every interval: let back in whose time is over; forget an ejection of who stayed in.

        Answers whether there will be something to do at the next tick.
        """
        now, came_back = self._clock(), False
        for monitor in self.monitors:
            if not monitor.is_ejected:
                monitor.ejections = max(monitor.ejections - 1, 0)
            elif now - monitor.ejected_at >= self._time_s(monitor):
                monitor.forgive()
                self._stats.active.value -= 1
                came_back = True
        if came_back:
            self._changed()
        return any(monitor.is_ejected or monitor.ejections for monitor in self.monitors)

    def _time_s(self, monitor: Monitor) -> float:
        return min(self.rules.base_ejection_time_s * monitor.ejections, self._max_time_s)
