"""Where an object is seen."""

import pytest

from mesh.pilot.visibility import is_exported


@pytest.mark.parametrize(
    ("export_to", "seen_at_home", "seen_elsewhere"),
    [
        ((), True, True),
        (("*",), True, True),
        ((".",), True, False),
        (("home",), True, False),
        (("away",), False, True),
        ((".", "away"), True, True),
        (("~",), False, False),
    ],
)
def test_where_it_is_seen(export_to: tuple[str, ...], seen_at_home: bool, seen_elsewhere: bool) -> None:
    assert is_exported(export_to, "home", "home") is seen_at_home
    assert is_exported(export_to, "home", "away") is seen_elsewhere
