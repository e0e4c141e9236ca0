"""Which endpoint of several takes the next request. Pure: no clock, no I/O, the generator is an argument.

RoundRobin    each in turn, as often as its weight says
LeastRequest  the less busy of two drawn at random (power of two choices), Istio's default; where weights
              differ each in turn, by weight / (requests in flight + 1)
RandomChoice  any; weights mean nothing to it

Source: Envoy's ``round_robin_lb.cc``, ``least_request_lb.cc`` and ``random_lb.cc``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol, TypeVar

from mesh.proxy.edf import Schedule


class Candidate(Protocol):
    """What a balancer looks at."""

    weight: int
    active: int  # requests in flight


C = TypeVar("C", bound=Candidate)
Balancer = Callable[[], C]


def round_robin(hosts: Sequence[C], rng: Random) -> Balancer[C]:
    """Starts anywhere, so that many proxies do not all begin with the same endpoint."""
    if _weights_differ(hosts):
        return Schedule(hosts, lambda host: host.weight, rng.randrange(2 * len(hosts))).pick
    place = rng.randrange(len(hosts)) - 1
    last = len(hosts) - 1

    def pick() -> C:
        nonlocal place
        place = 0 if place >= last else place + 1
        return hosts[place]

    return pick


def least_request(hosts: Sequence[C], rng: Random) -> Balancer[C]:
    """Of equal weights two draws, and of the two the one with fewer requests."""
    if len(hosts) == 1:
        return lambda: hosts[0]
    if _weights_differ(hosts):
        skipped = rng.randrange(2 * len(hosts))
        return Schedule(hosts, lambda host: host.weight / (host.active + 1), skipped).pick
    draw = random_choice(hosts, rng)

    def pick() -> C:
        one, other = draw(), draw()
        return other if other.active < one.active else one

    return pick


def random_choice(hosts: Sequence[C], rng: Random) -> Balancer[C]:
    random, count = rng.random, len(hosts)
    return lambda: hosts[int(random() * count)]


def _weights_differ(hosts: Sequence[Candidate]) -> bool:
    return len({host.weight for host in hosts}) > 1


BALANCERS: dict[str, Callable[[Sequence[C], Random], Balancer[C]]] = {
    "ROUND_ROBIN": round_robin,
    "LEAST_REQUEST": least_request,
    "RANDOM": random_choice,
}
