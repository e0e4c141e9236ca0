from __future__ import annotations

import random

import pytest

from labs.apps import echo


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1.0), ("250ms", 0.25), ("10us", 1e-5), ("1.5m", 90.0)])
def test_delays_are_gos_durations(text: str, seconds: float) -> None:
    assert echo.parse_delay_s(text) == pytest.approx(seconds)


def test_codes_have_shares() -> None:
    assert echo.parse_codes("200:90,503:10") == [(200, 90), (503, 10)]
    assert echo.parse_codes("418") == [(418, 1)]


@pytest.mark.parametrize("text", ["", "ok", "99", "600", "200:x", "200,"])
def test_malformed_codes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="codes: expected"):
        echo.parse_codes(text)


@pytest.mark.parametrize("text", ["1", "s", "1h", "-1s"])
def test_malformed_delays_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="delay: expected"):
        echo.parse_delay_s(text)


def test_headers_are_pairs() -> None:
    assert echo.parse_headers("a:b,c:d:e") == {"a": "b", "c": "d:e"}
    with pytest.raises(ValueError, match="headers: expected"):
        echo.parse_headers(":b")


def test_codes_come_in_their_shares() -> None:
    """Of 1000 at 10 %, a count outside 40..180 has probability below 1e-12."""
    rng = random.Random(5)
    picked = [echo.pick_code([(200, 90), (503, 10)], rng) for _ in range(1000)]
    assert 40 <= picked.count(503) <= 180
