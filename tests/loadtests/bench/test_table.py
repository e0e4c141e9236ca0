from __future__ import annotations

import pytest

from loadtests.bench.load import LoadResult
from loadtests.bench.round import Figures
from loadtests.bench.settings import PLAINTEXT, Setting
from loadtests.bench.table import Row, paced_rows, render, rows


def figures(client_us: float, server_us: float, p99_us: float = 100.0) -> Figures:
    return Figures((client_us, server_us), 0.5, LoadResult(1000, 0, 1.0, 50.0, p99_us))


def test_a_row_is_the_median_of_its_rounds() -> None:
    (pair,) = rows(
        Setting("x", "x", budget=0.75),
        [figures(10, 20), figures(20, 25), figures(500, 500)],
        [figures(30, 30), figures(30, 30), figures(1, 1)],
    )
    assert (pair.ours, pair.other, pair.ratio, pair.within) == (45, 60, 0.75, True)


def test_a_whole_setting_tells_of_each_sidecar_and_of_latency() -> None:
    found = {row.what: row for row in rows(PLAINTEXT, [figures(10, 20)], [figures(20, 30)])}
    assert found["plaintext: CPU per request, client sidecar"].ratio == 0.5
    assert found["plaintext: requests/s of the pair on one core"].ours == 2000
    _, p99 = paced_rows(PLAINTEXT, [figures(1, 1, 130.0)], [figures(1, 1, 100.0)])
    assert p99.within is False


@pytest.mark.parametrize(
    ("row", "within"),
    [
        (Row("a", "us", 1, 2), None),
        (Row("a", "us", 1, 2, budget=0.5), True),
        (Row("a", "us", 1, 2, budget=0.4), False),
        (Row("a", "us", 3, 2, budget=1.3, more_is_better=True), True),
        (Row("a", "kB", 19, 2, limit=20), True),
        (Row("a", "kB", 21, 50, limit=20), False),
        (Row("a", "kB", 21, 50, budget=1, limit=20), False),
        (Row("a", "us", 1, 0, budget=1), False),
    ],
)
def test_budgets_are_of_the_ratio_and_limits_of_ours(row: Row, within: bool | None) -> None:
    assert row.within is within


def test_the_table_names_what_is_missed() -> None:
    text = render([Row("fine", "us", 1, 2, budget=0.75), Row("too large", "kB", 30, 10, limit=20)])
    assert text.splitlines()[1].endswith("<= 0.75")
    assert text.splitlines()[2].endswith("ours <= 20 kB  MISSED")
