"""Who of a cluster's endpoints is well: outlier detection and active health checks, with their timers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from mesh.model.endpoint import Endpoint
from mesh.proxy.crew.messages import Ejected
from mesh.proxy.health_check.checker import Checker
from mesh.proxy.health_check.state import NEW, TRUSTED, Health
from mesh.proxy.host import Host
from mesh.proxy.outlier import Detector, Monitor, OutlierStats

if TYPE_CHECKING:
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.timers import Timer


class HealthWatch:
    """Either may be absent. ``before`` are the endpoints of the cluster in whose place this one comes."""

    def __init__(
        self,
        cluster: RuntimeCluster,
        before: dict[tuple[str, int, bool], Host],
        ejected: Callable[[], None],
        checked: Callable[[Host], None],
    ) -> None:
        """``ejected`` is called when outliers go or come back, ``checked`` when a check tells something."""
        model, worker = cluster.model, cluster.worker
        self._worker = worker
        self._cluster = cluster
        self._keeps_passing = not model.ignore_health_on_host_removal
        self._before = before if model.health_check is not None else {}
        self._is_new = True
        self._ticking: Timer | None = None
        self._detector: Detector | None = None
        self._checker: Checker | None = None
        self._ejected = ejected
        if model.outlier_detection is not None:
            stats, clock = OutlierStats(worker.stats, cluster.name), worker.loop.time
            self._detector = Detector(
                model.outlier_detection, stats, clock, worker.rng, self._outliers_changed, self._tell_others
            )
        if model.health_check is not None:
            self._checker = Checker(model.health_check, cluster, checked, self._passed)

    def start(self) -> None:
        """The cluster is in force."""
        if self._detector is not None and self._detector.counts_rates:
            self._tick_later()
        if self._checker is not None:
            self._checker.start()

    def stop(self) -> None:
        if self._ticking is not None:
            self._ticking.callback = None

    def watch(self, endpoint: Endpoint, cluster: RuntimeCluster) -> Host:
        """A new endpoint, watched from now on."""
        host = Host(endpoint, cluster)
        if self._detector is not None:
            host.monitor = self._detector.watch()
        if self._checker is not None:
            host.session = self._checker.watch(host, self._known_health(host))
        host.is_watched = self._detector is not None or self._checker is not None
        return host

    def _known_health(self, host: Host) -> Health:
        """What the cluster before knew of it; else the first endpoints are trusted, later ones are not."""
        known = self._before.get(host.key)
        if known is not None and known.session is not None:
            return Health(has_failed=known.session.health.has_failed)
        return TRUSTED if self._is_new else NEW

    def settled(self) -> None:
        """The first endpoints are there: who comes later has to pass first."""
        self._before, self._is_new = {}, False

    def stays(self, host: Host) -> bool:
        """Whether it stays although discovery has lost it: Envoy's rule for who passes its checks."""
        if host.session is None or not self._keeps_passing:
            return False
        return not host.session.health.has_failed and host.endpoint.health == "HEALTHY"

    def forget(self, host: Host) -> None:
        """The endpoint is gone."""
        if self._detector is not None and host.monitor is not None:
            self._detector.forget(host.monitor)
        if self._checker is not None:
            self._checker.forget(host)

    def _passed(self, host: Host) -> None:
        if self._detector is not None and host.monitor is not None:
            self._detector.passed_health_check(host.monitor)

    def eject(self, host: Host, for_s: float) -> None:
        """Another worker has."""
        if self._detector is not None and host.monitor is not None:
            self._detector.ejected_elsewhere(host.monitor, for_s)

    def ejected_for(self, host: Host) -> float:
        """How many seconds more; 0: it is in."""
        if self._detector is None or host.monitor is None:
            return 0.0
        return self._detector.ejected_for(host.monitor)

    def _tell_others(self, monitor: Monitor, for_s: float) -> None:
        for key, host in self._cluster.hosts.items():
            if host.monitor is monitor:
                self._worker.on_ejected(Ejected(self._cluster.name, key, for_s))

    def _outliers_changed(self) -> None:
        """Ticks are needed only while there is something to undo, or to count."""
        self._ejected()
        if self._ticking is None:
            self._tick_later()

    def _tick_later(self) -> None:
        assert self._detector is not None
        self._ticking = self._worker.timers.after(self._detector.rules.interval_s, self._tick)

    def _tick(self) -> None:
        assert self._detector is not None
        if self._detector.tick():
            self._tick_later()
        else:
            self._ticking = None
