from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mesh.pilot.debounce import Debounce, Pending, changed, due_at

TIMES = Debounce(quiet_s=0.1, max_s=1.0)


def test_a_lone_change_waits_for_quiet() -> None:
    assert due_at(changed(None, 5.0), TIMES) == 5.1


def test_each_further_change_starts_the_quiet_again() -> None:
    assert due_at(changed(changed(None, 5.0), 5.05), TIMES) == 5.05 + 0.1


def test_steady_changes_cannot_put_a_push_off_for_ever() -> None:
    pending = changed(None, 0.0)
    for step in range(1, 100):
        pending = changed(pending, step * 0.05)
    assert pending == Pending(0.0, 4.95)
    assert due_at(pending, TIMES) == 1.0


@given(st.lists(st.floats(0, 100), min_size=1).map(sorted))
def test_a_push_is_never_later_than_the_maximum_after_the_first_change(moments: list[float]) -> None:
    pending = None
    for moment in moments:
        pending = changed(pending, moment)
    assert pending is not None
    assert due_at(pending, TIMES) <= moments[0] + TIMES.max_s
