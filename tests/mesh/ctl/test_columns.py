from __future__ import annotations

from mesh.ctl.columns import table


def test_columns_are_as_wide_as_they_must_be() -> None:
    assert table(("A", "LONG"), [("xyz", ""), ("", "b")]) == "A     LONG\nxyz\n      b\n"


def test_no_rows_is_the_headings() -> None:
    assert table(("A", "B"), []) == "A   B\n"
