"""Whose object applies to a host: names in full, wildcards, and "the most specific host wins"."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from mesh.model import names

T = TypeVar("T")


def covers(pattern: str, host: str) -> bool:
    """Whether a full host or wildcard ("*", "*.example.com") takes in this host."""
    if pattern.startswith("*"):
        return host.endswith(pattern[1:])
    return pattern == host


def most_specific(host: str, candidates: Iterable[tuple[str, T]]) -> list[T]:
    """Those of the (pattern, value) pairs whose pattern covers the host most narrowly, in their order.

    An exact name is narrower than any wildcard, a longer wildcard than a shorter one.
    """
    covering: Sequence[tuple[str, T]] = [pair for pair in candidates if covers(pair[0], host)]
    narrowest = max((_narrowness(pattern) for pattern, _ in covering), default=None)
    return [value for pattern, value in covering if _narrowness(pattern) == narrowest]


def in_full(host: str, namespace: str) -> str:
    """A host as an object of this namespace means it: short names are services beside it."""
    return host if host.startswith("*") else names.fqdn(host, namespace)


def _narrowness(pattern: str) -> tuple[bool, int]:
    return not pattern.startswith("*"), len(pattern)
