"""The ways to cut bytes into pieces. They follow from the bytes, so a finding repeats."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import pairwise
from random import Random

SHORT = 600  # bytes: what is not longer is also given byte by byte


def splits(data: bytes) -> Iterator[list[bytes]]:
    """Other ways than all at once."""
    rng = Random(zlib.crc32(data))
    for count in (1, 4):
        places = sorted(rng.randrange(len(data) + 1) for _ in range(count))
        yield [data[a:b] for a, b in pairwise([0, *places, len(data)]) if a < b]
    if len(data) <= SHORT:
        yield [data[place : place + 1] for place in range(len(data))]
