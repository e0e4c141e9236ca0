from __future__ import annotations

import pytest

from mesh.ctl.errors import CommandError
from mesh.ctl.options import duration_s


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("2m", 120), ("500ms", 0.5), ("1.5h", 5400), ("7", 7)]
)
def test_durations_are_kubectls(text: str, seconds: float) -> None:
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 s", "1d"])
def test_others_are_wrong_use_of_the_option_that_had_them(text: str) -> None:
    with pytest.raises(CommandError, match="--duration: expected a duration like 30s or 2m") as wrong:
        duration_s(text, "--duration")
    assert wrong.value.status == 2
