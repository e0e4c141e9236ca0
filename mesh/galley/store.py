"""What is stored and in force: pure steps from one state to the next.

    sources' layers -> one owner an object -> references -> State(objects, generation, faults)

A source (a file, or the API) contributes a layer of candidates. Of two sources with the same object the
first owns it. A candidate that is refused leaves the version in force where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from mesh.galley.api.base import ApiObject
from mesh.galley.fault import Fault, ObjectKey, Problem
from mesh.galley.parse import Candidate, Parsed
from mesh.galley.references import check_references
from mesh.galley.snapshot import ConfigSnapshot, make_snapshot


class SourceId(NamedTuple):
    """Sorts by precedence: directories in the order given, their files by path, the API last."""

    rank: int
    name: str


API = SourceId(1_000_000, "api")

Layer = Mapping[ObjectKey, Candidate]


@dataclass(frozen=True, slots=True)
class Stored:
    """A version in force; ``generation`` is the snapshot's when this content came into force."""

    candidate: Candidate
    source: SourceId
    generation: int

    @property
    def config(self) -> ApiObject:
        return self.candidate.config

    def to_json(self) -> dict[str, object]:
        key = self.candidate.key
        return {
            "kind": key.kind,
            "apiVersion": self.config.api_version,
            "namespace": key.namespace,
            "name": key.name,
            "generation": self.generation,
            "source": self.source.name,
            "file": self.candidate.file,
            "line": self.candidate.document.line,
            "metadata": self.config.to_dict()["metadata"],
            "spec": self.config.told(),
        }


@dataclass(frozen=True, slots=True)
class Refusal:
    """A candidate that is good in itself and not beside the others."""

    source: SourceId
    key: ObjectKey
    fault: Fault


@dataclass(frozen=True, slots=True)
class State:
    layers: Mapping[SourceId, Layer] = field(default_factory=dict)
    objects: Mapping[ObjectKey, Stored] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[Fault, ...] = ()  # of the objects in force
    snapshot: ConfigSnapshot = field(default_factory=ConfigSnapshot)

    @property
    def generation(self) -> int:
        return self.snapshot.generation


def with_last_good(previous: Layer, parsed: Parsed) -> Layer:
    """A file's new layer. An object named in it and bad keeps its last good version; when some part of
    the file does not even say which object it is, every object not named elsewhere in it stays."""
    kept = {
        key: candidate
        for key, candidate in previous.items()
        if key in parsed.failed or (parsed.unnamed and key not in parsed.candidates)
    }
    return {**kept, **parsed.candidates}


def restore(applied: Mapping[ObjectKey, tuple[Candidate, int]]) -> State:
    """The state of an earlier life: what was applied then is in force, whatever it refers to."""
    objects = {key: Stored(each, API, generation) for key, (each, generation) in applied.items()}
    latest = max((generation for _, generation in applied.values()), default=0)
    snapshot = make_snapshot([stored.config for stored in objects.values()], latest)
    layer = {key: stored.candidate for key, stored in objects.items()}
    return State({API: layer}, objects, (), _warnings(snapshot, objects), snapshot)


def advance(state: State, changes: Mapping[SourceId, Layer | None]) -> State:
    """The state after some layers changed (None: the source is gone)."""
    layers = {source: layer for source, layer in {**state.layers, **changes}.items() if layer is not None}
    owned, refusals = _owners(layers)
    objects, more = _settle(owned, state.objects)
    generation = _next_generation(state, objects)
    stored = {
        key: _store(state.objects.get(key), source, candidate, generation)
        for key, (source, candidate) in objects.items()
    }
    unchanged = generation == state.generation
    snapshot = state.snapshot if unchanged else make_snapshot(_configs(objects.values()), generation)
    return State(layers, stored, (*refusals, *more), _warnings(snapshot, stored), snapshot)


Owned = dict[ObjectKey, tuple[SourceId, Candidate]]


def _configs(owned: Iterable[tuple[SourceId, Candidate]]) -> list[ApiObject]:
    return [candidate.config for _, candidate in owned]


def _owners(layers: Mapping[SourceId, Layer]) -> tuple[Owned, list[Refusal]]:
    """The first source with an object owns it; the others are told."""
    owned: Owned = {}
    refusals: list[Refusal] = []
    for source, layer in sorted(layers.items(), key=lambda item: item[0]):
        for key, candidate in layer.items():
            if key not in owned:
                owned[key] = source, candidate
                continue
            owner = owned[key][1]
            message = (
                f"{key} is already defined in {owner.file}:{owner.document.line}, which takes precedence"
            )
            refusals.append(Refusal(source, key, candidate.fault(Problem(("metadata", "name"), message))))
    return owned, refusals


def _settle(owned: Owned, in_force: Mapping[ObjectKey, Stored]) -> tuple[Owned, list[Refusal]]:
    """Leave out what refers to nothing, or keep the version of it that is in force."""
    refusals: list[Refusal] = []
    settled = dict(owned)
    for finding in check_references(make_snapshot(_configs(owned.values()))):
        if finding.problem.severity != "error":
            continue
        source, candidate = owned[finding.key]
        refusals.append(Refusal(source, finding.key, candidate.fault(finding.problem)))
        last = in_force.get(finding.key)
        if last is None:
            settled.pop(finding.key, None)
        elif last.candidate.content != candidate.content:
            settled[finding.key] = last.source, last.candidate
    return settled, refusals


def _next_generation(state: State, objects: Owned) -> int:
    """One more if any content changed."""
    changed = state.objects.keys() != objects.keys() or any(
        state.objects[key].candidate.content != candidate.content for key, (_, candidate) in objects.items()
    )
    return state.generation + changed


def _store(last: Stored | None, source: SourceId, candidate: Candidate, generation: int) -> Stored:
    if last is not None and last.candidate.content == candidate.content:
        return Stored(candidate, source, last.generation)
    return Stored(candidate, source, generation)


def _warnings(snapshot: ConfigSnapshot, stored: Mapping[ObjectKey, Stored]) -> tuple[Fault, ...]:
    own = [warning for each in stored.values() for warning in each.candidate.warnings]
    mutual = [
        stored[finding.key].candidate.fault(finding.problem)
        for finding in check_references(snapshot)
        if finding.problem.severity == "warning"
    ]
    return (*own, *mutual)
