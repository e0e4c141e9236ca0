"""Consistent hashing: which endpoint a key belongs to; few keys move when endpoints come and go. Pure.

Ring hash (Ketama): each endpoint stands at many places of a ring; a key belongs to the next place.
Maglev: each endpoint fills the places of a table in an order of its own, in turn; a key is a place.

The algorithms are Envoy's to the bit (``ring_hash_lb.cc``, ``maglev_lb.cc``), so that its sidecars and ours
agree where a key belongs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import ceil
from typing import Protocol, TypeVar

from xxhash import xxh64_intdigest

RING_SIZE = 1024
MAX_RING_SIZE = 8 * 1024 * 1024
MAGLEV_TABLE_SIZE = 65537
_64_BITS = 2**64 - 1


class Keyed(Protocol):
    weight: int
    text: str  # address:port, what its places are made from


K = TypeVar("K", bound=Keyed)
Table = Callable[[int, int], K]  # (key, attempt): attempt 1 and later give others than attempt 0


def ring(hosts: Sequence[K], minimum_size: int = 0, shares: Sequence[float] = ()) -> Table[K]:
    """The least heavy endpoint gets a whole number of places, the others in proportion.

    ``shares`` are of the whole ring, where they are not those of the weights.
    """
    shares = shares or _shares(hosts)
    least = min(shares)
    scale = min(ceil(least * (minimum_size or RING_SIZE)) / least, float(MAX_RING_SIZE))
    places: list[tuple[int, int]] = []
    count, target = 0.0, 0.0
    for which, (host, share) in enumerate(zip(hosts, shares, strict=True)):
        target += scale * share
        number = 0
        while count < target:
            places.append((xxh64_intdigest(f"{host.text}_{number}".encode()), which))
            number += 1
            count += 1
    places.sort()
    hashes, owners = [place for place, _ in places], [hosts[which] for _, which in places]
    size = len(places)

    def find(key: int, attempt: int) -> K:
        at = bisect_left(hashes, key)
        return owners[(at + attempt) % size] if at < size else owners[attempt % size]

    return find


def maglev(hosts: Sequence[K], size: int = 0, shares: Sequence[float] = ()) -> Table[K]:
    """Made when the first key is looked up: a table takes a tenth of a second.

    The endpoints' turns come in the order of their addresses, whatever order they were told in.
    """
    table: list[K] = []
    size = size or MAGLEV_TABLE_SIZE

    def find(key: int, attempt: int) -> K:
        if not table:
            in_order = sorted(zip(hosts, shares or _shares(hosts), strict=True), key=_address)
            table.extend(_fill([host for host, _ in in_order], [share for _, share in in_order], size))
        if attempt:
            key ^= _64_BITS - attempt + 1
        return table[key % size]

    return find


def _address(shared: tuple[Keyed, float]) -> str:
    return shared[0].text


def _fill(hosts: Sequence[K], shares: Sequence[float], size: int) -> list[K]:
    """Listing 1 of the Maglev paper, with weights: an endpoint of half the greatest weight is served every
    second turn."""
    table: list[K | None] = [None] * size
    greatest = max(shares)
    offsets = [xxh64_intdigest(host.text.encode()) % size for host in hosts]
    skips = [xxh64_intdigest(host.text.encode(), 1) % (size - 1) + 1 for host in hosts]
    targets = [0.0] * len(hosts)
    filled = turn = 0
    while True:
        turn += 1
        for which, host in enumerate(hosts):
            if turn * shares[which] < targets[which]:
                continue
            targets[which] += greatest
            place, skip = offsets[which], skips[which]
            while table[place] is not None:
                place = (place + skip) % size
            table[place] = host
            offsets[which] = (place + skip) % size
            filled += 1
            if filled == size:
                return [host for host in table if host is not None]


def _shares(hosts: Sequence[K]) -> list[float]:
    total = sum(host.weight for host in hosts)
    return [host.weight / total for host in hosts]


TABLES: dict[str, Callable[[Sequence[K], int, Sequence[float]], Table[K]]] = {
    "RING_HASH": ring,
    "MAGLEV": maglev,
}
