"""A cluster at run time: its endpoints with their pools, its load balancer, its breaker, its counters.

``pick`` is the question a request asks; ``update`` and ``drain`` are what configuration does to it. An
endpoint that stays keeps its pool; one that goes has its idle connections closed, its busy ones once free.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mesh.model.cluster import Cluster, SlowStart
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, Locality
from mesh.proxy.balance import BALANCERS, Balancer
from mesh.proxy.breaker import Breaker, divided
from mesh.proxy.cluster_stats import ClusterStats
from mesh.proxy.dns import Dns
from mesh.proxy.hash_table import TABLES, Table
from mesh.proxy.health_watch import HealthWatch
from mesh.proxy.host import Address, Host, HostKey
from mesh.proxy.load_balancer import Group, LoadBalancer, Policy
from mesh.proxy.slow_start import STEPS, is_warming, scaled_weight
from mesh.proxy.timers import Timer
from mesh.proxy.tried import Tried
from mesh.proxy.worker import Worker
from mesh.xds.errors import Rejected

MAX_ORIGINAL_DESTINATIONS = 1024  # of an ORIGINAL_DST cluster; unused ones go when there are more


class RuntimeCluster:
    """Made anew when its model changes; its endpoints change in place."""

    def __init__(self, model: Cluster, worker: Worker, before: RuntimeCluster | None = None) -> None:
        """``before`` is the cluster in whose place it comes. Raises Rejected for what is not there."""
        is_original = model.discovery == "ORIGINAL_DST"
        if model.lb_policy not in {*BALANCERS, *TABLES} and not is_original:
            raise Rejected(f"cluster {model.name}: lb_policy {model.lb_policy} is not supported")
        if model.discovery == "LOGICAL_DNS" and not _is_single(model.load_assignment):
            raise Rejected(f"cluster {model.name}: load_assignment: expected one endpoint with LOGICAL_DNS")
        if model.health_check is not None and is_original:
            raise Rejected(f"cluster {model.name}: health_checks: not supported with ORIGINAL_DST")
        self.model = model
        self.name = model.name
        self.worker = worker
        self.stats = ClusterStats(worker.stats, model.name)
        self.breaker = Breaker(divided(model.circuit_breaker, worker.share), self.stats.rq_active)
        self.limits_connections = bool(model.max_requests_per_connection or model.max_connection_duration_s)
        self.allowed_peers = frozenset(model.tls.subject_alt_names) if model.tls else frozenset()
        self.hosts: dict[HostKey, Host] = {}
        self.names_peers = False  # every endpoint's metadata says which workload it is
        self._watch = HealthWatch(
            self, before.hosts if before is not None else {}, self._balance, self._health_changed
        )
        self._weights: dict[tuple[int, Locality], int] = {}
        self._groups: list[Group[Host]] = []
        self._policy = Policy(
            model.lb_policy, model.locality_weighted, model.panic_threshold, model.hash_table_size
        )
        self._balancer: LoadBalancer[Host] | None = None
        self._next: Balancer[Host] | None = None  # the balancer's, looked up once
        self._table: Table[Host] | None = None  # ... instead, with consistent hashing
        self._dns: Dns | None = None
        self._warming: Timer | None = None
        self._is_due = False  # endpoints are looked at again in this turn of the loop
        if model.load_assignment is not None:
            if model.discovery == "STRICT_DNS":
                self._dns = Dns(model.load_assignment, worker, self.update)
            elif model.discovery == "LOGICAL_DNS":
                self._dns = Dns(model.load_assignment, worker, self._move_to, first_only=True)
            else:
                self.update(model.load_assignment)

    def start(self) -> None:
        """It is in force: begin with what goes on beside requests."""
        if self._dns is not None:
            self._dns.start()
        self._watch.start()

    def uses_tls(self, endpoint: Endpoint) -> bool:
        """Auto mTLS asks the endpoint; otherwise the cluster decides."""
        return self.model.tls is not None and (endpoint.mtls or not self.model.tls_by_endpoint)

    # what requests ask

    def pick(
        self, original_dst: Address | None = None, tried: Tried | None = None, key: int | None = None
    ) -> Host | None:
        """An endpoint for the next request, if it can be one that was not tried yet; None: there is none.

        ``key`` is what consistent hashing goes by; a request without one goes anywhere.
        """
        choose = self._next
        if tried is not None:
            return self._pick_again(original_dst, tried, key)
        if choose is not None:
            return choose()
        if self._table is not None:
            return self._table(self._key(key), 0)
        return self._original(original_dst) if self.model.discovery == "ORIGINAL_DST" else None

    def _pick_again(self, original_dst: Address | None, tried: Tried, key: int | None) -> Host | None:
        """For another attempt: elsewhere, if that is found by asking a few times (as Envoy does)."""
        balancer = self._balancer
        if balancer is None or (balancer.next is None and balancer.find is None):
            return self.pick(original_dst)
        choose: Any = balancer.next or balancer.find
        avoided = tried.levels()
        if avoided is not None:
            others = balancer.elsewhere(avoided)
            if others is None:
                tried.forget_levels()
            choose = others or choose
        place = self._key(key) if balancer.next is None else 0
        for attempt in range(tried.policy.host_selection_attempts + 1):
            host: Host | None = choose() if balancer.next is not None else choose(place, attempt)
            if host is None or host not in tried.hosts:
                break
        return host

    def _key(self, key: int | None) -> int:
        return self.worker.rng.getrandbits(64) if key is None else key

    # who there is

    def eject(self, key: HostKey, for_s: float) -> None:
        """Another worker of this proxy has found an outlier."""
        host = self.hosts.get(key)
        if host is not None:
            self._watch.eject(host, for_s)

    def ejections(self) -> Iterator[tuple[HostKey, float]]:
        """Who is out, and for how many seconds more."""
        for key, host in self.hosts.items():
            for_s = self._watch.ejected_for(host)
            if for_s:
                yield key, for_s

    def update(self, assignment: ClusterLoadAssignment) -> None:
        """Take new endpoints; those that are gone drain."""
        before, self.hosts = self.hosts, {}
        for part in assignment.localities:
            for endpoint in part.endpoints:
                key = (endpoint.address, endpoint.port, self.uses_tls(endpoint))
                host = before.pop(key, None) or self.hosts.get(key) or self._watch.watch(endpoint, self)
                host.describe(endpoint, part.locality, part.priority)
                self.hosts[key] = host
        for key, host in before.items():
            if self._watch.stays(host):
                host.leaves = True
                self.hosts[key] = host
            else:
                self._remove(host)
        if self.hosts:
            self._watch.settled()
        self._weights = {(part.priority, part.locality): part.weight for part in assignment.localities}
        self._members_changed()

    def _move_to(self, assignment: ClusterLoadAssignment) -> None:
        """LOGICAL_DNS: the one endpoint has another address."""
        [part] = assignment.localities
        if not self.hosts or not part.endpoints:
            self.update(assignment)
            return
        [host], [endpoint] = self.hosts.values(), part.endpoints
        host.move(endpoint)
        self.hosts = {host.key: host}

    def _members_changed(self) -> None:
        self.stats.membership.value = len(self.hosts)
        self.names_peers = all(host.endpoint.workload for host in self.hosts.values())
        groups: dict[tuple[int, Locality], Group[Host]] = {}
        for host in self.hosts.values():
            place = (host.priority, host.locality)
            if place not in groups:
                groups[place] = Group(host.priority, self._weights.get(place, 0), [])
            groups[place].hosts.append(host)
        self._groups = list(groups.values())
        self._balance()

    def _remove(self, host: Host) -> None:
        host.pool.drain()
        self._watch.forget(host)

    def _health_changed(self, host: Host) -> None:
        """Checks have found so. Many of them may in one turn of the loop: they are taken together."""
        if host.is_passing:
            host.warms_since = self.worker.loop.time()
        elif host.leaves:
            del self.hosts[host.key]
            self._remove(host)
        if not self._is_due:
            self._is_due = True
            self.worker.loop.call_soon(self._look_again)

    def _look_again(self) -> None:
        self._is_due = False
        self._members_changed()

    # who takes requests

    def _balance(self) -> None:
        """Somebody came, went, or changed his health."""
        hosts, stats = self.hosts.values(), self.stats
        stats.membership_healthy.value = sum(host.is_healthy for host in hosts)
        stats.membership_excluded.value = sum(host.is_excluded for host in hosts)
        if self.model.discovery == "ORIGINAL_DST":
            return
        if self.model.slow_start is not None:
            self._warm_up(self.model.slow_start)
        balancer = LoadBalancer(self._groups, self._policy, self.worker.rng, self._in_panic)
        self._balancer, self._next, self._table = balancer, balancer.next, balancer.find

    def _in_panic(self) -> None:
        self.stats.healthy_panic.value += 1

    def _warm_up(self, slow_start: SlowStart) -> None:
        """While somebody is new weights depend on age; they are looked at again until nobody is."""
        now, warming = self.worker.loop.time(), False
        for host in self.hosts.values():
            age_s = now - host.warms_since if host.is_healthy else slow_start.window_s
            host.weight = scaled_weight(slow_start, max(host.endpoint.weight, 1), age_s)
            warming = warming or is_warming(slow_start, age_s)
        if self._warming is not None:
            self._warming.callback = None
        self._warming = None
        if warming:
            self._warming = self.worker.timers.after(slow_start.window_s / STEPS, self._balance)

    # its end, and that of its connections

    def drain(self) -> None:
        """The cluster is gone from the configuration, or replaced."""
        if self._dns is not None:
            self._dns.stop()
        for host in self.hosts.values():
            self._remove(host)
        self._watch.stop()
        if self._warming is not None:
            self._warming.callback = None

    def close_idle(self, now: float) -> None:
        """Close the connections that were idle for longer than the cluster allows."""
        for host in self.hosts.values():
            host.pool.close_idle(now - self.model.idle_timeout_s)

    # ORIGINAL_DST

    def _original(self, address: Address | None) -> Host | None:
        """The endpoint is where the connection was going; unless that is this very proxy (the loop guard)."""
        if address is None or address in self.worker.own_addresses:
            return None
        key = (*address, False)
        host = self.hosts.get(key)
        if host is None:
            if len(self.hosts) >= MAX_ORIGINAL_DESTINATIONS:
                self._forget_unused()
            host = self.hosts[key] = self._watch.watch(Endpoint(*address), self)
        return host

    def _forget_unused(self) -> None:
        for key in [key for key, host in self.hosts.items() if not host.active]:
            self._remove(self.hosts.pop(key))


def _is_single(assignment: ClusterLoadAssignment | None) -> bool:
    return assignment is not None and [len(part.endpoints) for part in assignment.localities] == [1]
