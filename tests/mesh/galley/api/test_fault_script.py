"""The text of a fault script."""

from __future__ import annotations

import pytest

from mesh.galley.api.fault_script import Step, parse_script


def test_steps_in_order():
    text = "client every=3 abort=503; server first=2 delay=1.5s abort=500;server attempt=1 abort=503 ;"
    assert parse_script(text) == (
        Step("client", "every", 3, 503),
        Step("server", "first", 2, 500, 1.5),
        Step("server", "attempt", 1, 503),
    )


def test_nothing_is_no_step():
    assert parse_script("") == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("first=2 abort=503", "expected a step such as"),
        ("server abort=503", "exactly one of first=, every= and attempt="),
        ("server first=1 every=2 abort=503", "exactly one of"),
        ("server first=1 first=2 abort=503", "exactly one of"),
        ("server first=1 abrot=503", "exactly one of"),
        ("server first=1", "expected abort=, delay= or both"),
        ("client attempt=1 abort=503", "a client sees no attempts"),
        ("server first=0 abort=503", "expected a count from 1"),
        ("server first=1 abort=99", "expected a status 200..599"),
        ("server first=1 delay=2", "expected a duration"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str):
    with pytest.raises(ValueError, match=message):
        parse_script(text)
