from __future__ import annotations

from mesh.remember import remember


def test_what_is_known_is_bounded() -> None:
    known: dict[int, int] = {}
    for number in range(1034):
        assert remember(known, number, number, 1024) == number
        assert known[number] == number
    assert 0 < len(known) <= 1024
