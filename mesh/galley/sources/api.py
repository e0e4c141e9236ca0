"""Objects applied over the API, one file each: ``<root>/<Kind>/<namespace>/<name>.yaml``.

A file is written whole beside its place, synced, and renamed there, so that it is at any moment the old
version or the new one. Only its owner may read it: it may hold a key. Names were checked (``check_name``)
before they become paths.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ruamel.yaml import YAML

from mesh.galley.api.base import ApiObject
from mesh.galley.fault import Fault, ObjectKey
from mesh.galley.parse import Candidate, parse

_SCRATCH = ".tmp"
PRIVATE_MODE = 0o600


class ApiObjects:
    """The files of one data directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def load(self) -> tuple[dict[ObjectKey, tuple[Candidate, int]], list[Fault]]:
        """Everything stored, each with the generation it was stored at; bad files are faults."""
        candidates: dict[ObjectKey, tuple[Candidate, int]] = {}
        faults: list[Fault] = []
        for path in sorted(self._root.glob("*/*/*.yaml")):
            try:
                parsed = parse(path.read_text(encoding="utf-8"), str(path))
            except (OSError, UnicodeDecodeError) as error:
                faults.append(Fault(str(path), 1, "", "", f"cannot be read: {error}"))
                continue
            faults += parsed.faults
            for key, candidate in parsed.candidates.items():
                candidates[key] = candidate, _generation_of(candidate)
        return candidates, faults

    def save(self, objects: Mapping[ObjectKey, tuple[ApiObject, int]]) -> None:
        """Write each with its generation. Raises OSError, and then no file was replaced
        (unless renaming itself failed half-way)."""
        written: list[tuple[Path, Path]] = []
        try:
            for key, (config, generation) in objects.items():
                path = self._path(key)
                path.parent.mkdir(parents=True, exist_ok=True)
                scratch = path.with_name(path.name + _SCRATCH)
                written.append((scratch, path))
                _write_synced(scratch, to_yaml(config, generation))
            for scratch, path in written:
                scratch.replace(path)
        except OSError:
            for scratch, _ in written:
                scratch.unlink(missing_ok=True)
            raise
        _sync_directories({path.parent for _, path in written})

    def remove(self, key: ObjectKey) -> None:
        path = self._path(key)
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            _sync_directories({path.parent})

    def _path(self, key: ObjectKey) -> Path:
        return self._root / key.kind / key.namespace / f"{key.name}.yaml"


def to_yaml(config: ApiObject, generation: int) -> str:
    """The object as a document that parses back to it; ``metadata.generation`` as Kubernetes writes it."""
    data = config.to_dict()
    metadata = data["metadata"]
    assert isinstance(metadata, dict)
    data["metadata"] = {**metadata, "generation": generation}
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.allow_unicode = False  # ruamel.yaml breaks lines at a bare U+0085 and reads them back changed
    yaml.width = 2**31  # ... and may lose a space where it folds a quoted text
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


def _generation_of(candidate: Candidate) -> int:
    metadata = candidate.document.data.get("metadata")
    generation = metadata.get("generation") if isinstance(metadata, dict) else None
    return generation if isinstance(generation, int) and 0 < generation < 2**53 else 1


def _write_synced(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _sync_directories(directories: Iterable[Path]) -> None:
    """Make the renames themselves last through a power cut."""
    for directory in directories:
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
