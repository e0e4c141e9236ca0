"""Bytes -> other bytes: what the fuzzers of the world do to inputs, by a generator that is seeded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from fuzzing.target import Target

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 9, 10, 13, 32, 0x2C, 0x3A)
_MAX_STEPS = 6

Step = Callable[[bytearray, Random, Target], None]


def mutated(target: Target, pool: Sequence[bytes], rng: Random) -> bytes:
    """One of the pool's inputs after a few steps."""
    data = bytearray(rng.choice(pool))
    for _ in range(rng.randint(1, _MAX_STEPS)):
        rng.choice(_STEPS)(data, rng, target)
    if rng.random() < 0.2:
        other = rng.choice(pool)
        data[rng.randint(0, len(data)) :] = other[rng.randint(0, len(other)) :]
    return bytes(data[: target.max_bytes])


def _span(data: bytearray, rng: Random) -> tuple[int, int]:
    begin = rng.randint(0, len(data))
    return begin, min(len(data), begin + rng.choice((1, 1, 2, 4, 16, 64)))


def _flip(data: bytearray, rng: Random, target: Target) -> None:
    if data:
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _set(data: bytearray, rng: Random, target: Target) -> None:
    if data:
        data[rng.randrange(len(data))] = rng.choice((*_NUMBERS, rng.randrange(256)))


def _insert(data: bytearray, rng: Random, target: Target) -> None:
    place = rng.randint(0, len(data))
    data[place:place] = rng.randbytes(rng.choice((1, 1, 2, 8)))


def _delete(data: bytearray, rng: Random, target: Target) -> None:
    begin, end = _span(data, rng)
    del data[begin:end]


def _repeat(data: bytearray, rng: Random, target: Target) -> None:
    begin, end = _span(data, rng)
    data[end:end] = data[begin:end] * rng.choice((1, 1, 2, 20))


def _move(data: bytearray, rng: Random, target: Target) -> None:
    begin, end = _span(data, rng)
    piece = data[begin:end]
    del data[begin:end]
    place = rng.randint(0, len(data))
    data[place:place] = piece


def _word(data: bytearray, rng: Random, target: Target) -> None:
    if target.words:
        begin, end = _span(data, rng)
        data[begin : end if rng.random() < 0.3 else begin] = rng.choice(target.words)


def _digits(data: bytearray, rng: Random, target: Target) -> None:
    """Another number where one stands."""
    places = [place for place, byte in enumerate(data) if 0x30 <= byte <= 0x39]
    if places:
        place = rng.choice(places)
        data[place : place + 1] = rng.choice(
            (b"0", b"1", b"9", b"00", b"-1", b"4294967296", b"%d" % len(data))
        )


_STEPS: tuple[Step, ...] = (_flip, _set, _insert, _delete, _repeat, _move, _word, _word, _digits)
