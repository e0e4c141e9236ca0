"""A cluster at run time: its endpoints with their pools, its balancer, its breaker, its counters.

``pick`` is the question a request asks; ``update`` and ``drain`` are what configuration does to it. An
endpoint that stays keeps its pool; one that goes has its idle connections closed, its busy ones once free.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from mesh.model.cluster import Cluster, SlowStart
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, Locality
from mesh.model.peer import UNKNOWN_PEER, Peer
from mesh.proxy.balance import BALANCERS, Balancer
from mesh.proxy.breaker import Breaker, divided
from mesh.proxy.cluster_stats import ClusterStats
from mesh.proxy.hash_table import TABLES, Table
from mesh.proxy.http2_pool import make_pool
from mesh.proxy.outlier import Detector, OutlierStats
from mesh.proxy.pool import Pool
from mesh.proxy.priority import priority_loads, spread, spread_keys
from mesh.proxy.slow_start import STEPS, is_warming, scaled_weight
from mesh.proxy.strict_dns import StrictDns
from mesh.proxy.timers import Timer
from mesh.proxy.worker import Worker
from mesh.xds.errors import Rejected

MAX_ORIGINAL_DESTINATIONS = 1024  # of an ORIGINAL_DST cluster; unused ones go when there are more
Address = tuple[str, int]


class Host:
    """One endpoint. ``active`` counts its requests in flight; the totals are for admin."""

    __slots__ = (
        "active",
        "added_at",
        "address",
        "connect_fail",
        "connections",
        "endpoint",
        "errors",
        "locality",
        "monitor",
        "peer",
        "pool",
        "priority",
        "successes",
        "text",
        "timeouts",
        "tunnels",
        "uses_tls",
        "weight",
    )

    def __init__(self, endpoint: Endpoint, cluster: RuntimeCluster) -> None:
        self.address: Address = (endpoint.address, endpoint.port)
        self.text = f"{endpoint.address}:{endpoint.port}"
        self.added_at = cluster.worker.loop.time()
        self.locality = Locality()
        self.priority = 0
        self.active = self.successes = self.errors = self.timeouts = 0
        self.connections = self.connect_fail = 0
        self.describe(endpoint)
        self.monitor = cluster.detector.watch() if cluster.detector is not None else None
        self.uses_tls = cluster.uses_tls(endpoint)  # an endpoint that changes it becomes another one
        self.pool = make_pool(self, cluster)
        self.tunnels: Pool | None = None  # made when first needed

    def describe(self, endpoint: Endpoint) -> None:
        """Take what may change while the endpoint stays the same."""
        self.endpoint = endpoint
        self.weight = max(endpoint.weight, 1)
        self.peer = _peer(endpoint.workload)

    @property
    def is_ejected(self) -> bool:
        return self.monitor is not None and self.monitor.is_ejected

    @property
    def is_healthy(self) -> bool:
        return self.endpoint.health == "HEALTHY" and not self.is_ejected


class RuntimeCluster:
    """Made anew when its model changes; its endpoints change in place."""

    def __init__(self, model: Cluster, worker: Worker) -> None:
        """Raises Rejected when the model asks for what is not there."""
        if model.lb_policy not in {*BALANCERS, *TABLES} and model.discovery != "ORIGINAL_DST":
            raise Rejected(f"cluster {model.name}: lb_policy {model.lb_policy} is not supported")
        self.model = model
        self.name = model.name
        self.worker = worker
        self.stats = ClusterStats(worker.stats, model.name)
        self.breaker = Breaker(divided(model.circuit_breaker, worker.share), self.stats.rq_active)
        self.limits_connections = bool(model.max_requests_per_connection or model.max_connection_duration_s)
        self.allowed_peers = frozenset(model.tls.subject_alt_names) if model.tls else frozenset()
        self.detector = self._make_detector()
        self._checking: Timer | None = None
        self.hosts: dict[tuple[str, int, bool], Host] = {}
        self.names_peers = False  # every endpoint's metadata says which workload it is
        self._next: Balancer[Host] | None = None
        self._dns: StrictDns | None = None
        self._warming: Timer | None = None
        self._table: Table[Host] | None = None  # instead, with consistent hashing
        if self.detector is not None and self.detector.counts_rates:
            self._check_outliers_later()
        if model.load_assignment is not None:
            if model.discovery == "STRICT_DNS":
                self._dns = StrictDns(model.load_assignment, worker, self.update)
            else:
                self.update(model.load_assignment)

    def uses_tls(self, endpoint: Endpoint) -> bool:
        """Auto mTLS asks the endpoint; otherwise the cluster decides."""
        return self.model.tls is not None and (endpoint.mtls or not self.model.tls_by_endpoint)

    def pick(
        self, original_dst: Address | None = None, tried: Collection[Host] = (), key: int | None = None
    ) -> Host | None:
        """An endpoint for the next request, if it can be one that was not tried yet; None: there is none.

        ``key`` is what consistent hashing goes by; a request without one goes anywhere.
        """
        if self._next is None:
            if self._table is not None:
                return self._belonging(self.worker.rng.getrandbits(64) if key is None else key, tried)
            return self._original(original_dst) if self.model.discovery == "ORIGINAL_DST" else None
        host = self._next()
        if tried:
            for _ in range(4):  # Envoy's host_selection_retry_max_attempts of 5, one made
                if host not in tried:
                    break
                host = self._next()
        return host

    def _belonging(self, key: int, tried: Collection[Host]) -> Host:
        assert self._table is not None
        host = self._table(key, 0)
        attempt = 0
        while host in tried and attempt < 5:  # Envoy's host_selection_retry_max_attempts
            attempt += 1
            host = self._table(key, attempt)
        return host

    def update(self, assignment: ClusterLoadAssignment) -> None:
        """Take new endpoints; those that are gone drain."""
        before, self.hosts = self.hosts, {}
        for group in assignment.localities:
            for endpoint in group.endpoints:
                key = (endpoint.address, endpoint.port, self.uses_tls(endpoint))
                host = before.pop(key, None) or self.hosts.get(key) or Host(endpoint, self)
                host.describe(endpoint)
                host.locality, host.priority = group.locality, group.priority
                self.hosts[key] = host
        for host in before.values():
            self._remove(host)
        self.stats.membership.value = len(self.hosts)
        self.names_peers = all(host.endpoint.workload for host in self.hosts.values())
        self._balance()

    def _remove(self, host: Host) -> None:
        host.pool.drain()
        if self.detector is not None and host.monitor is not None:
            self.detector.forget(host.monitor)

    def _balance(self) -> None:
        """Only the healthy take requests, nearer levels before others; too few of them: all (panic)."""
        everyone = list(self.hosts.values())
        healthy = [host for host in everyone if host.is_healthy]
        self.stats.membership_healthy.value = len(healthy)
        if 100 * len(healthy) < self.model.panic_threshold * len(everyone):
            self.stats.healthy_panic.value += 1
            healthy = everyone
        policy, self._next, self._table = self.model.lb_policy, None, None
        levels = _levels(everyone, healthy)
        if levels and policy in TABLES:
            size = self.model.hash_table_size
            tables = [(load, TABLES[policy](hosts, size)) for load, hosts in levels]
            self._table = tables[0][1] if len(tables) == 1 else spread_keys(tables)
        elif levels:
            if self.model.slow_start is not None:
                self._warm_up(self.model.slow_start, healthy)
            rng = self.worker.rng
            balancers = [(load, BALANCERS[policy](hosts, rng)) for load, hosts in levels]
            self._next = balancers[0][1] if len(balancers) == 1 else spread(balancers, rng)

    def _warm_up(self, slow_start: SlowStart, hosts: list[Host]) -> None:
        """While somebody is new weights depend on age; they are looked at again until nobody is."""
        now = self.worker.loop.time()
        for host in hosts:
            host.weight = scaled_weight(slow_start, max(host.endpoint.weight, 1), now - host.added_at)
        warming = any(is_warming(slow_start, now - host.added_at) for host in hosts)
        if self._warming is not None:
            self._warming.callback = None
        self._warming = None
        if warming:
            self._warming = self.worker.timers.after(slow_start.window_s / STEPS, self._balance)

    def drain(self) -> None:
        """The cluster is gone from the configuration, or replaced."""
        if self._dns is not None:
            self._dns.stop()
        for host in self.hosts.values():
            self._remove(host)
        for timer in (self._checking, self._warming):
            if timer is not None:
                timer.callback = None

    def _make_detector(self) -> Detector | None:
        rules = self.model.outlier_detection
        if rules is None:
            return None
        stats = OutlierStats(self.worker.stats, self.name)
        clock, rng = self.worker.loop.time, self.worker.rng
        return Detector(rules, stats, clock, rng, self._outliers_changed)

    def _outliers_changed(self) -> None:
        """Endpoints were ejected or came back. Ticks are needed only while there is something to undo."""
        self._balance()
        if self._checking is None:
            self._check_outliers_later()

    def _check_outliers_later(self) -> None:
        assert self.detector is not None
        interval_s = self.detector.rules.interval_s
        self._checking = self.worker.timers.after(interval_s, self._check_outliers)

    def _check_outliers(self) -> None:
        assert self.detector is not None
        if self.detector.tick():
            self._check_outliers_later()
        else:
            self._checking = None

    def close_idle(self, now: float) -> None:
        """Close the connections that were idle for longer than the cluster allows."""
        for host in self.hosts.values():
            host.pool.close_idle(now - self.model.idle_timeout_s)

    def _original(self, address: Address | None) -> Host | None:
        """The endpoint is where the connection was going; unless that is this very proxy (the loop guard)."""
        if address is None or address in self.worker.own_addresses:
            return None
        key = (*address, False)
        host = self.hosts.get(key)
        if host is None:
            if len(self.hosts) >= MAX_ORIGINAL_DESTINATIONS:
                self._forget_unused()
            host = self.hosts[key] = Host(Endpoint(*address), self)
        return host

    def _forget_unused(self) -> None:
        for key in [key for key, host in self.hosts.items() if not host.active]:
            self._remove(self.hosts.pop(key))


def _levels(everyone: list[Host], healthy: list[Host]) -> list[tuple[int, list[Host]]]:
    """(per cent, endpoints) of each priority that takes requests."""
    priorities = sorted({host.priority for host in everyone})
    fit = [[host for host in healthy if host.priority == priority] for priority in priorities]
    totals = [sum(host.priority == priority for host in everyone) for priority in priorities]
    loads = priority_loads([(len(hosts), total) for hosts, total in zip(fit, totals, strict=True)])
    return [(load, hosts) for load, hosts in zip(loads, fit, strict=True) if load]


@lru_cache(maxsize=4096)
def _peer(workload: str) -> Peer:
    """The same text gives the same object, which is what makes counting by peer cheap."""
    try:
        return Peer.from_text(workload)
    except ValueError:
        return UNKNOWN_PEER
