"""Durations, ports and ranges."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.galley.api.scalars import MAX_DURATION_S, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("100ms", 0.1),
        ("1h", 3600.0),
        ("1h30m", 5400.0),
        ("1.5s", 1.5),
        (".5s", 0.5),
        ("0s", 0.0),
        ("250us", 0.00025),
        ("7ns", 7e-9),
    ],
)
def test_gos_durations_are_read_in_seconds(text: str, seconds: float):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "value", [10, 1.5, True, None, "", "10", "1 s", "-1s", "1d", "1sm", "s", "1e3s", "١s", [], "9" * 30 + "s"]
)
def test_anything_else_says_what_a_duration_looks_like(value: object):
    with pytest.raises(ValueError, match='expected a duration such as "1s", "100ms" or "1h", got '):
        parse_duration(value)


def test_more_than_protobuf_can_hold_is_refused():
    with pytest.raises(ValueError, match="at most 10000 years"):
        parse_duration("99999999999999h")


@given(st.floats(0, MAX_DURATION_S / 2).map(lambda seconds: round(seconds, 9)))
def test_formatting_and_reading_give_the_same_number(seconds: float):
    assert parse_duration(format_duration(seconds)) == seconds
