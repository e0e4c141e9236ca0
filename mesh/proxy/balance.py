"""Which endpoint of a cluster takes the next request. Pure: no clock, no I/O, the generator is an argument.

RoundRobin    each in turn; with weights the smooth order (2:1 gives a b a, never a a b)
LeastRequest  the less busy of two drawn at random (power of two choices), Istio's default
RandomChoice  any
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol, TypeVar


class Candidate(Protocol):
    """What a balancer looks at."""

    weight: int
    active: int  # requests in flight


C = TypeVar("C", bound=Candidate)
Balancer = Callable[[], C]


def round_robin(hosts: Sequence[C], rng: Random) -> Balancer[C]:
    """Starts anywhere, so that many proxies do not all begin with the same endpoint."""
    if len({host.weight for host in hosts}) > 1:
        return _smooth(hosts)
    place = rng.randrange(len(hosts)) - 1
    last = len(hosts) - 1

    def pick() -> C:
        nonlocal place
        place = 0 if place >= last else place + 1
        return hosts[place]

    return pick


def _smooth(hosts: Sequence[C]) -> Balancer[C]:
    """Each pick raises everyone's credit by its weight; the richest is picked and pays the total."""
    credit = [0] * len(hosts)
    total = sum(host.weight for host in hosts)

    def pick() -> C:
        best = 0
        for place, host in enumerate(hosts):
            credit[place] += host.weight
            if credit[place] > credit[best]:
                best = place
        credit[best] -= total
        return hosts[best]

    return pick


def least_request(hosts: Sequence[C], rng: Random) -> Balancer[C]:
    """Two draws, with weights as shares; the one with fewer requests for its weight wins."""
    if len(hosts) == 1:
        return lambda: hosts[0]
    draw = random_choice(hosts, rng)

    def pick() -> C:
        one, other = draw(), draw()
        return other if other.active * one.weight < one.active * other.weight else one

    return pick


def random_choice(hosts: Sequence[C], rng: Random) -> Balancer[C]:
    if len({host.weight for host in hosts}) > 1:
        weights = [host.weight for host in hosts]
        return lambda: rng.choices(hosts, weights)[0]
    random, count = rng.random, len(hosts)
    return lambda: hosts[int(random() * count)]


BALANCERS: dict[str, Callable[[Sequence[C], Random], Balancer[C]]] = {
    "ROUND_ROBIN": round_robin,
    "LEAST_REQUEST": least_request,
    "RANDOM": random_choice,
}
