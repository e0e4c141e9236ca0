"""What a target is: a parser, inputs it knows, and the properties that hold for every input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


class Broken(Exception):
    """A property does not hold. Any other exception that leaves ``check`` is a finding as well."""


@dataclass(frozen=True, slots=True)
class Target:
    """``check(data)`` raises for a finding; ``words`` are what a mutation may put in, whole."""

    name: str
    check: Callable[[bytes], None]
    corpus: tuple[bytes, ...]
    words: tuple[bytes, ...] = ()
    max_bytes: int = 4096  # of an input


def expect(holds: bool, rule: str, *seen: object) -> None:
    """Raises Broken with what was seen when the rule does not hold."""
    if not holds:
        raise Broken(f"{rule}: " + " / ".join(repr(value)[:600] for value in seen))
