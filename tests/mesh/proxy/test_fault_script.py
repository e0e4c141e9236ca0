"""Steps that are due by count."""

from __future__ import annotations

from mesh.model.route import ScriptedFault
from mesh.proxy.fault_script import next_fault


def due(*steps, requests=6, attempts=None):
    counts = {}
    found = []
    for number in range(requests):
        fault = next_fault(steps, counts, attempts[number] if attempts else 1)
        found.append(fault.name if fault is not None else "")
    return found


def test_the_first_ones():
    assert due(ScriptedFault("a", "first", 2, 503)) == ["a", "a", "", "", "", ""]


def test_every_third():
    assert due(ScriptedFault("a", "every", 3, 503)) == ["", "", "a", "", "", "a"]


def test_only_one_attempt():
    assert due(ScriptedFault("a", "attempt", 2, 503), requests=4, attempts=(1, 2, 3, 2)) == ["", "a", "", "a"]


def test_the_first_step_that_is_due_wins_and_all_of_them_count():
    steps = ScriptedFault("a", "first", 1, 503), ScriptedFault("b", "every", 2, 500)
    assert due(*steps, requests=4) == ["a", "b", "", "b"]
