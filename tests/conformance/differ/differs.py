"""How a difference is written down that is meant, or known."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Differs:
    """Either other ``answers`` (ours, Envoy's), and with them everything else, or only some ``facts``.

    Where the answers are the same after all, what becomes of the connection is too.
    """

    reason: str
    answers: tuple[tuple[int, ...], tuple[int, ...]] | None = None
    facts: tuple[str, ...] = ()
    may_forward: bool = False  # although Envoy refuses it


Table = dict[tuple[str, str], Differs]


def answers(
    ours: tuple[int, ...], envoy: tuple[int, ...], reason: str, *, may_forward: bool = False
) -> Differs:
    return Differs(reason, (ours, envoy), may_forward=may_forward)


def facts(reason: str, *names: str) -> Differs:
    return Differs(reason, facts=names)


def cases(area: str, differs: Differs, *names: str) -> Table:
    return {(area, name): differs for name in names}
