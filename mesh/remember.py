"""Remembering what can be made again, within bounds: one way for all who do."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def remember(known: dict[K, V], key: K, made: V, most: int) -> V:
    """Keep what was made for ``key`` and answer it. A dict that holds ``most`` is emptied first: those that
    come again are soon back, and nothing is spent on knowing which they are.
    """
    if len(known) >= most:
        known.clear()
    known[key] = made
    return made
