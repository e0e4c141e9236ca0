"""A cluster's load balancer: which of its endpoints takes the next request. Pure.

    level (by health) -> locality (by weight, if the cluster says so) -> endpoint (by policy)

Made anew whenever endpoints come, go, or change their health. Source: Envoy's "Load balancing" pages;
locality weights are ``locality_wrr.cc``, with consistent hashing ``thread_aware_lb_impl.cc``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Generic, Protocol, TypeVar

from mesh.proxy.balance import BALANCERS, Balancer
from mesh.proxy.edf import Schedule
from mesh.proxy.hash_table import TABLES, Table
from mesh.proxy.priority import OVERPROVISIONING, Level, distribute, level_loads, spread, spread_keys


class Member(Protocol):
    """An endpoint, as far as it matters who takes a request."""

    text: str
    weight: int
    active: int

    @property
    def is_healthy(self) -> bool: ...

    @property
    def is_excluded(self) -> bool: ...


H = TypeVar("H", bound=Member)


@dataclass(slots=True)
class Group(Generic[H]):
    """The endpoints of one level in one locality; ``weight`` is the locality's."""

    priority: int
    weight: int
    hosts: list[H]

    def healthy(self) -> list[H]:
        return [host for host in self.hosts if host.is_healthy]

    def effective_weight(self) -> float:
        """The locality's weight as far as it is healthy."""
        counted = sum(not host.is_excluded for host in self.hosts)
        if not counted:
            return 0.0
        return self.weight * min(1.0, OVERPROVISIONING / 100 * len(self.healthy()) / counted)


@dataclass(frozen=True, slots=True)
class Policy:
    """What a cluster says of its balancing."""

    lb_policy: str
    locality_weighted: bool = False
    panic_threshold: int = 0
    hash_table_size: int = 0


class LoadBalancer(Generic[H]):
    """``next`` picks the endpoint of a request; with consistent hashing ``find(key, attempt)`` does.

    Both are None while nobody may take a request.
    """

    __slots__ = (
        "_hashes",
        "_health",
        "_in_panic",
        "_levels",
        "_loads",
        "_made",
        "_policy",
        "_priorities",
        "_rng",
        "find",
        "next",
    )

    def __init__(
        self, groups: Sequence[Group[H]], policy: Policy, rng: Random, in_panic: Callable[[], None]
    ) -> None:
        """``in_panic`` is called for each request that goes to a level in panic."""
        self._priorities = sorted({group.priority for group in groups})
        self._levels = [[one for one in groups if one.priority == level] for level in self._priorities]
        sizes = [_size(level) for level in self._levels]
        self._health = [level.health for level in sizes]
        self._loads = level_loads(sizes, policy.panic_threshold)
        self._policy, self._rng, self._in_panic = policy, rng, in_panic
        self._hashes = policy.lb_policy in TABLES
        self._made: dict[int, Any] = {}
        choose = self._among([load.percent for load in self._loads])
        self.next: Balancer[H] | None = None if self._hashes else choose
        self.find: Table[H] | None = choose if self._hashes else None

    def elsewhere(self, tried: Collection[int]) -> Any:
        """``next``, or ``find``, for a retry that avoids these levels; None: no other level is healthy."""
        known = zip(self._priorities, self._health, strict=True)
        return self._among(distribute([0 if priority in tried else health for priority, health in known]))

    def _among(self, percents: Sequence[int]) -> Any:
        parts = [(percent, self._level(place)) for place, percent in enumerate(percents) if percent]
        if len(parts) < 2:
            return parts[0][1] if parts else None
        return spread_keys(parts) if self._hashes else spread(parts, self._rng)

    def _level(self, place: int) -> Any:
        """Who picks in a level: made when it first takes a request."""
        if place not in self._made:
            panic = self._loads[place].panic
            make: Any = self._make_table if self._hashes else self._make_balancer
            made = make(self._levels[place], panic) or _nobody
            self._made[place] = self._counting(made) if panic else made
        return self._made[place]

    def _make_balancer(self, level: list[Group[H]], panic: bool) -> Balancer[H]:
        make, rng = BALANCERS[self._policy.lb_policy], self._rng
        if self._policy.locality_weighted and not panic and len(level) > 1:
            weights = [(group.effective_weight(), group) for group in level]
            parts = [(weight, make(group.healthy(), rng)) for weight, group in weights if weight]
            if parts:
                localities = Schedule(parts, lambda part: part[0], rng.randrange(2 * len(parts)))
                return lambda: localities.pick()[1]()
        return make(_members(level, panic), rng)

    def _make_table(self, level: list[Group[H]], panic: bool) -> Table[H] | None:
        """Here a locality's weight counts whole, however many of it are healthy (Envoy)."""
        make, size = TABLES[self._policy.lb_policy], self._policy.hash_table_size
        whole = sum(group.weight for group in level)
        if not self._policy.locality_weighted or not whole:
            return make(_members(level, panic), size, ())
        hosts: list[H] = []
        shares: list[float] = []
        for group in level:
            members = _members([group], panic) if group.weight else []
            weights = sum(host.weight for host in members)
            hosts += members
            shares += [host.weight * (group.weight / whole) / weights for host in members]
        # where all who are healthy are where nothing is to go, nothing goes
        return make(hosts, size, shares) if hosts else None

    def _counting(self, made: Any) -> Any:
        def pick(*key: int) -> Any:
            self._in_panic()
            return made(*key)

        return pick


def _size(level: list[Group[H]]) -> Level:
    hosts = [host for group in level for host in group.hosts]
    return Level(sum(host.is_healthy for host in hosts), len(hosts), sum(host.is_excluded for host in hosts))


def _members(level: list[Group[H]], panic: bool) -> list[H]:
    return [host for group in level for host in (group.hosts if panic else group.healthy())]


def _nobody(*_: int) -> None:
    """Picks."""
