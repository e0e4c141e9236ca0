"""A cluster's active health checks: a session for each endpoint, which asks, judges, and waits to ask again.

    start -> check -> (asked | time is up) -> state.after -> wait -> check ...

Counters are Envoy's ``cluster.<name>.health_check.``; checks are no requests or connections of the cluster's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from mesh.model.health_check import GrpcHealthCheck, HealthCheck, HttpHealthCheck
from mesh.proxy.health_check.http1_probe import Http1Line
from mesh.proxy.health_check.http2_probe import Http2Line
from mesh.proxy.health_check.probe import Probe
from mesh.proxy.health_check.state import NETWORK_FAILURES, NEW, Health, Outcome, after, interval_s
from mesh.proxy.health_check.tcp_probe import TcpLine
from mesh.proxy.stats import Stats

if TYPE_CHECKING:
    from mesh.proxy.cluster import RuntimeCluster
    from mesh.proxy.host import Host
    from mesh.proxy.timers import Timer


class CheckStats:
    """``healthy`` is a gauge: endpoints that have not failed their checks."""

    __slots__ = ("attempt", "failure", "healthy", "network_failure", "passive_failure", "success")

    def __init__(self, stats: Stats, cluster: str) -> None:
        prefix = f"cluster.{cluster}.health_check."
        self.attempt = stats.counter(prefix + "attempt")
        self.success = stats.counter(prefix + "success")
        self.failure = stats.counter(prefix + "failure")
        self.network_failure = stats.counter(prefix + "network_failure")
        self.passive_failure = stats.counter(prefix + "passive_failure")
        self.healthy = stats.gauge(prefix + "healthy")
        stats.counter(prefix + "verify_cluster")  # a check that nobody can ask for here


class Checker:
    """``changed(host)`` is called when an endpoint has failed, or is back; ``passed(host)`` after each check
    that a healthy one has passed."""

    def __init__(
        self,
        rules: HealthCheck,
        cluster: RuntimeCluster,
        changed: Callable[[Host], None],
        passed: Callable[[Host], None],
    ) -> None:
        self.rules = rules
        self.stats = CheckStats(cluster.worker.stats, cluster.name)
        self.changed = changed
        self.passed = passed
        self._cluster = cluster
        self._running = False
        self._sessions: dict[Host, Session] = {}

    def watch(self, host: Host, health: Health = NEW) -> Session:
        """A session for a new endpoint, of which so much is known."""
        session = self._sessions[host] = Session(self, host, self._cluster, health)
        if self._running:
            session.start()
        return session

    def forget(self, host: Host) -> None:
        session = self._sessions.pop(host, None)
        if session is not None:
            session.stop()

    def start(self) -> None:
        """Not before the cluster is in force: what is rejected checks nothing."""
        self._running = True
        for session in self._sessions.values():
            session.start()

    def had_traffic(self) -> bool:
        return self._cluster.stats.cx_total.value > 0


class Session:
    """The checks of one endpoint; ``health`` is what is known of it."""

    __slots__ = ("_checker", "_cluster", "_host", "_probe", "_stopped", "_timer", "health")

    def __init__(self, checker: Checker, host: Host, cluster: RuntimeCluster, health: Health) -> None:
        self.health = health
        self._checker = checker
        self._host = host
        self._cluster = cluster
        self._probe: Probe | None = None
        self._timer: Timer | None = None
        self._stopped = False
        checker.stats.healthy.value += not health.has_failed

    def start(self) -> None:
        rules = self._checker.rules
        make = partial(make_line, rules, self._cluster, self._host)
        self._probe = Probe(self._cluster, self._host, make, self._asked, rules)
        if rules.initial_jitter_s:
            self._wait(self._cluster.worker.rng.random() * rules.initial_jitter_s, self._check)
        else:
            self._check()

    def stop(self) -> None:
        self._stopped = True
        self._checker.stats.healthy.value -= not self.health.has_failed
        self._wait(0.0, None)
        if self._probe is not None:
            self._probe.close()

    def asked_to_leave_out(self) -> None:
        """An answer to a request said so."""
        self._learn(Outcome.PASSIVE, excluded=True)

    def _check(self) -> None:
        assert self._probe is not None
        self._checker.stats.attempt.value += 1
        self._wait(self._checker.rules.timeout_s, self._too_late)
        self._probe.begin()

    def _too_late(self) -> None:
        assert self._probe is not None
        self._probe.close()
        self._asked(Outcome.TIMEOUT, False)

    def _asked(self, outcome: Outcome, excluded: bool) -> None:
        checker, before = self._checker, self.health
        self._learn(outcome, excluded)
        if not self._stopped:  # by what follows from it
            worker = self._cluster.worker
            had_traffic = checker.had_traffic()
            wait_s = interval_s(before, self.health, outcome, checker.rules, had_traffic, worker.rng)
            self._wait(wait_s, self._check)

    def _learn(self, outcome: Outcome, excluded: bool) -> None:
        checker, before = self._checker, self.health
        now = after(before, outcome, checker.rules)
        self.health = replace(now, is_excluded=True) if excluded else now
        stats = checker.stats
        if outcome is Outcome.PASSED:
            stats.success.value += 1
        else:
            stats.failure.value += 1
            stats.network_failure.value += outcome in NETWORK_FAILURES
            stats.passive_failure.value += outcome is Outcome.PASSIVE
        if before.has_failed != now.has_failed:
            stats.healthy.value += 1 if before.has_failed else -1
        if (before.has_failed, before.is_excluded) != (now.has_failed, self.health.is_excluded):
            checker.changed(self._host)
        if outcome is Outcome.PASSED and not now.has_failed:
            checker.passed(self._host)

    def _wait(self, delay_s: float, then: Callable[[], None] | None) -> None:
        """For the next thing to do, instead of what was waited for."""
        if self._timer is not None:
            self._timer.callback = None
        self._timer = self._cluster.worker.timers.after(delay_s, then) if then is not None else None


def make_line(rules: HealthCheck, cluster: RuntimeCluster, host: Host) -> Http1Line | Http2Line | TcpLine:
    """A connection that is asked as the rules say."""
    check = rules.check
    if isinstance(check, HttpHealthCheck) and not check.http2:
        return Http1Line(check, check.host or cluster.name)
    if isinstance(check, HttpHealthCheck):
        authority = check.host or cluster.name
        return Http2Line(cluster.worker.loop, check, authority, host.uses_tls, rules.timeout_s)
    if isinstance(check, GrpcHealthCheck):
        authority = check.authority or cluster.name
        return Http2Line(cluster.worker.loop, check, authority, host.uses_tls, rules.timeout_s)
    return TcpLine(check)
