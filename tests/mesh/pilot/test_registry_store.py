from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from mesh.model.node import Node
from mesh.pilot.registry_store import Saved, load, save
from mesh.pilot.services import claimed_services

Bookinfo = Callable[..., tuple[Node, ...]]


def test_what_is_saved_is_loaded(tmp_path: Path, bookinfo: Bookinfo) -> None:
    nodes = bookinfo()
    registry = Saved(nodes, claimed_services(nodes, ()), generation=7)
    path = tmp_path / "pilot" / "registry.json"
    save(path, registry)
    assert load(path) == registry
    assert [left.name for left in path.parent.iterdir()] == ["registry.json"]


def test_no_file_is_an_empty_registry(tmp_path: Path) -> None:
    assert load(tmp_path / "registry.json") == Saved()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"nodes": [{}], "services": []}', '{"nodes": 1}'])
def test_a_spoilt_file_is_reported_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    path = tmp_path / "registry.json"
    path.write_text(text)
    with caplog.at_level(logging.WARNING):
        assert load(path) == Saved()
    assert str(path) in caplog.text
