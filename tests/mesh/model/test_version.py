from __future__ import annotations

from importlib.metadata import version

from mesh.model.version import VERSION


def test_it_is_the_packages_version() -> None:
    assert version("mesh-labs") == VERSION
