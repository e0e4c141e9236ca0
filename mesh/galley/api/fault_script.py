"""The text of a fault script: steps that fail by count instead of by chance.

    client every=3 abort=503; server first=2 delay=1s abort=500; server attempt=1 abort=503

``client`` fails in the caller's sidecar, before its router, so nothing is retried (as Istio's faults do);
``server`` in the callee's, so callers retry it. One of first, every and attempt; abort, delay or both.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, cast

from mesh.galley.api.scalars import parse_duration

Side = Literal["client", "server"]
When = Literal["first", "every", "attempt"]

_WHENS = ("first", "every", "attempt")
_COUNT = re.compile(r"[1-9][0-9]{0,8}")
_STATUS = re.compile(r"[2-5][0-9][0-9]")


@dataclass(frozen=True, slots=True)
class Step:
    side: Side
    when: When
    number: int
    abort_status: int | None = None
    delay_s: float | None = None


def parse_script(text: str) -> tuple[Step, ...]:
    """Raises ValueError naming the first step that is wrong, and what was expected."""
    return tuple(_parse_step(step.strip()) for step in text.split(";") if step.strip())


def _parse_step(text: str) -> Step:
    side, *settings = text.split()
    if side not in ("client", "server"):
        raise ValueError(f'expected a step such as "server first=2 abort=503", got "{text}"')
    said = dict(setting.partition("=")[::2] for setting in settings)
    whens = [name for name in _WHENS if name in said]
    unknown = set(said) - {*_WHENS, "abort", "delay"}
    if len(whens) != 1 or unknown or len(said) != len(settings):
        raise ValueError(f'expected exactly one of first=, every= and attempt=, got "{text}"')
    if "abort" not in said and "delay" not in said:
        raise ValueError(f'expected abort=, delay= or both, got "{text}"')
    (when,) = whens
    if when == "attempt" and side == "client":
        raise ValueError(f'a client sees no attempts (use server), got "{text}"')
    return Step(
        cast("Side", side),
        cast("When", when),
        _number(_COUNT, said[when], text),
        _number(_STATUS, said["abort"], text) if "abort" in said else None,
        parse_duration(said["delay"]) if "delay" in said else None,
    )


def _number(pattern: re.Pattern[str], value: str, text: str) -> int:
    if not pattern.fullmatch(value):
        what = "a count from 1" if pattern is _COUNT else "a status 200..599"
        raise ValueError(f'expected {what}, got "{value}" in "{text}"')
    return int(value)
