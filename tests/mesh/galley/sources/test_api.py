"""Applied objects on disk: whole files, nothing lost, nothing left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mesh.galley.parse import parse
from mesh.galley.sources.api import ApiObjects, to_yaml

Make = Callable[..., str]


def test_what_is_saved_is_loaded_with_its_generation(tmp_path: Path, virtual_service: Make):
    [(key, candidate)] = parse(virtual_service(), "a.yaml").candidates.items()
    ApiObjects(tmp_path).save({key: (candidate.config, 12)})
    assert (tmp_path / "VirtualService" / "default" / "reviews.yaml").is_file()
    loaded, faults = ApiObjects(tmp_path).load()
    assert not faults
    again, generation = loaded[key]
    assert (again.content, generation) == (candidate.content, 12)
    ApiObjects(tmp_path).remove(key)
    ApiObjects(tmp_path).remove(key)
    assert ApiObjects(tmp_path).load() == ({}, [])


def test_a_bad_file_is_a_fault_and_the_others_are_loaded(tmp_path: Path, virtual_service: Make):
    folder = tmp_path / "VirtualService" / "default"
    folder.mkdir(parents=True)
    (folder / "good.yaml").write_text(virtual_service())
    (folder / "bad.yaml").write_text("a: [")
    (folder / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    (folder / "half.yaml.tmp").write_text("a: [")
    loaded, faults = ApiObjects(tmp_path).load()
    assert len(loaded) == 1
    assert [Path(fault.file).name for fault in faults] == ["bad.yaml", "binary.yaml"]


def test_when_one_cannot_be_written_none_is(tmp_path: Path, virtual_service: Make, destination_rule: Make):
    stored = ApiObjects(tmp_path)
    first = parse(virtual_service(), "a.yaml").candidates
    stored.save({key: (candidate.config, 1) for key, candidate in first.items()})
    before = {path: path.read_text() for path in tmp_path.rglob("*.yaml")}
    changed = virtual_service("- route:\n  - destination: {host: b}\n")
    both = parse(changed + "---\n" + destination_rule("v1"), "a.yaml").candidates
    (tmp_path / "DestinationRule").write_text("a file where a folder must be")
    with pytest.raises(OSError, match="DestinationRule"):
        stored.save({key: (candidate.config, 2) for key, candidate in both.items()})
    (tmp_path / "DestinationRule").unlink()
    assert {path: path.read_text() for path in tmp_path.rglob("*.*")} == before


def test_the_text_is_kubernetes_own_form(virtual_service: Make):
    [candidate] = parse(virtual_service(), "a.yaml").candidates.values()
    text = to_yaml(candidate.config, 3)
    assert text.startswith(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  generation: 3\n"
    )


def test_only_its_owner_can_read_a_file(tmp_path: Path, virtual_service: Make):
    [candidate] = parse(virtual_service(), "a.yaml").candidates.values()
    ApiObjects(tmp_path).save({candidate.key: (candidate.config, 1)})
    [path] = tmp_path.glob("*/*/*.yaml")
    assert path.stat().st_mode & 0o777 == 0o600
