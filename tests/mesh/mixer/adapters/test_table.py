from __future__ import annotations

from mesh.mixer.adapters.table import ADAPTERS, DEFAULT


def test_the_default_adapters_are_in_the_table() -> None:
    assert set(DEFAULT) <= set(ADAPTERS)
