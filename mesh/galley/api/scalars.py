"""The API's scalar types: what is written as text or number, read into one unit and one range.

Ranges speak in the words of a fault: ``expected 0..100, got 250``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from mesh.galley.fault import quoted

Number = TypeVar("Number", int, float)

MAX_DURATION_S = 315_576_000_000.0  # 10 000 years: protobuf's Duration

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = r"(\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(ns|us|µs|ms|s|m|h)"
_DURATION = re.compile(rf"(?:{_PART})+", re.ASCII)
_PARTS = re.compile(_PART, re.ASCII)


def parse_duration(value: object) -> float:
    """Go's duration text ("1s", "100ms", "1h30m") in seconds, to the nanosecond. Raises ValueError."""
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError(f'expected a duration such as "1s", "100ms" or "1h", got {quoted(value)}')
    seconds = round(sum(float(number) * _UNITS_S[unit] for number, unit in _PARTS.findall(value)), 9)
    if seconds > MAX_DURATION_S:
        raise ValueError(f"expected at most 10000 years, got {quoted(value)}")
    return seconds


def format_duration(seconds: float) -> str:
    """Seconds as text that ``parse_duration`` reads back to the same number."""
    return f"{seconds:.9f}".rstrip("0").rstrip(".") + "s"


def within(low: int, high: int) -> Callable[[Number], Number]:
    """A check that a number lies in ``low..high``, both included."""

    def check(value: Number) -> Number:
        if not low <= value <= high:
            raise ValueError(f"expected {low}..{high}, got {quoted(value)}")
        return value

    return check


def at_least_1ms(seconds: float) -> float:
    """Envoy's timers tick in milliseconds; Istio refuses less."""
    if seconds < 0.001:
        raise ValueError(f'expected a duration of at least "1ms", got "{format_duration(seconds)}"')
    return seconds


def _port_key(value: object) -> int:
    """A port as the key of a mapping, which YAML gives as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise ValueError(f"expected a port 1..65535, got {quoted(value)}")
    return value


_AS_TEXT = PlainSerializer(format_duration, return_type=str)

Duration = Annotated[float, BeforeValidator(parse_duration), _AS_TEXT]
PositiveDuration = Annotated[float, BeforeValidator(parse_duration), AfterValidator(at_least_1ms), _AS_TEXT]
Port = Annotated[int, AfterValidator(within(1, 65535))]
PortKey = Annotated[int, BeforeValidator(_port_key)]
Count = Annotated[int, AfterValidator(within(0, 2**31 - 1))]
UCount = Annotated[int, AfterValidator(within(0, 2**32 - 1))]
PercentValue = Annotated[float, AfterValidator(within(0, 100))]
PercentInt = Annotated[int, AfterValidator(within(0, 100))]
HttpStatus = Annotated[int, AfterValidator(within(200, 599))]
