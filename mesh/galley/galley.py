"""Galley: configuration in, snapshots out. Read this first.

    directories ─ watch ─┐
                         ├─ layers ─▶ store.advance ─▶ State ─▶ ConfigSnapshot ─▶ subscribers (pilot)
    apply, delete ───────┘               (pure)

Everything but reading directories happens in the event loop's thread, so a change is one step: nobody
sees half of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from mesh.galley.fault import Fault, ObjectKey
from mesh.galley.metrics import GalleyMetrics
from mesh.galley.parse import Candidate, Parsed, parse
from mesh.galley.snapshot import ConfigSnapshot
from mesh.galley.sources.api import ApiObjects
from mesh.galley.sources.directory import POLL_S, Directories, Outcome
from mesh.galley.store import API, Layer, SourceId, State, Stored, advance, restore, with_last_good

logger = logging.getLogger("mesh.galley")

Verb = Literal["created", "configured", "unchanged"]
Subscriber = Callable[[ConfigSnapshot], None]


class NotDeletable(Exception):
    """The object is a file's: it goes when it is taken out of there. The message is for the user."""


@dataclass(frozen=True, slots=True)
class Applied:
    kind: str
    namespace: str
    name: str
    verb: Verb


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What became of one text. Objects with faults were left as they were, the others are in force."""

    generation: int
    applied: tuple[Applied, ...]
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]  # also notices: see Fault.severity

    def to_json(self) -> dict[str, object]:
        return asdict(self)


class Galley:
    """``data_dir/galley`` keeps what is applied; ``config_dirs`` are watched and take precedence."""

    def __init__(
        self,
        data_dir: Path,
        config_dirs: Sequence[Path] = (),
        *,
        poll_s: float = POLL_S,
        metrics: GalleyMetrics | None = None,
    ) -> None:
        self._stored = ApiObjects(data_dir / "galley")
        self._directories = Directories(config_dirs, poll_s)
        self._watching: asyncio.Task[None] | None = None
        self._has_directories = bool(config_dirs)
        self._state = State()
        self._faults: dict[SourceId, tuple[Fault, ...]] = {}  # of the sources' last texts
        self._notices: dict[SourceId, tuple[Fault, ...]] = {}
        self._subscribers: list[Subscriber] = []
        self._metrics = metrics or GalleyMetrics()

    async def start(self) -> None:
        """Load what was applied before and what the directories hold, as one change; then watch."""
        applied, faults = self._stored.load()
        self._report(API, tuple(faults), ())
        outcomes = self._directories.changes(self._directories.look(), reread=True)
        self._enter(advance(restore(applied), self._layers(outcomes)))
        self._count(outcomes)
        if self._has_directories:
            self._watching = asyncio.create_task(self._directories.watch(self._take), name="galley-watch")
            self._watching.add_done_callback(_log_end)

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None

    @property
    def snapshot(self) -> ConfigSnapshot:
        return self._state.snapshot

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Everything that is wrong now and kept out: in the directories, and between objects."""
        of_texts = [fault for faults in self._faults.values() for fault in faults]
        between = [refusal.fault for refusal in self._state.refusals]
        return (*self._directories.root_faults, *of_texts, *between)

    @property
    def warnings(self) -> tuple[Fault, ...]:
        """Remarks on what is in force, and on what the directories hold and is skipped."""
        notices = [notice for notices in self._notices.values() for notice in notices]
        return (*self._state.warnings, *notices)

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call ``callback`` with each new snapshot (not with the present one); gives the way to end it."""
        self._subscribers.append(callback)
        return lambda: self._subscribers.remove(callback)

    def list(
        self, kind: str | None = None, namespace: str | None = None, name: str | None = None
    ) -> tuple[Stored, ...]:
        """What is in force, sorted by kind, namespace, name; None matches any."""
        wanted = (kind, namespace, name)
        return tuple(
            stored
            for key, stored in sorted(self._state.objects.items())
            if all(part is None or part == own for part, own in zip(wanted, key, strict=True))
        )

    def apply(self, yaml_text: str, file_name: str = "<apply>") -> ApplyResult:
        """Take every good object of a text, refuse the bad ones by name. Good ones are on disk
        when this returns; when they cannot be written, nothing changes and the fault says so."""
        parsed = parse(yaml_text, file_name)
        before = self._state
        layer = before.layers.get(API, {})
        after = advance(before, {API: {**layer, **parsed.candidates}})
        refused = {
            refusal.key: refusal.fault
            for refusal in after.refusals
            if refusal.source == API and refusal.key in parsed.candidates
        }
        refusals = [r.fault for r in after.refusals if r.source == API and r.key in refused]
        if refused:
            after = advance(before, {API: {**layer, **_without(parsed.candidates, refused)}})
        taken = _without(parsed.candidates, refused)
        self._metrics.count(parsed, refused)
        try:
            self._save(before, after, taken)
        except OSError as error:
            fault = Fault(file_name, 1, "", "", f"cannot be stored: {error}")
            return ApplyResult(before.generation, (), (*parsed.faults, *refusals, fault), ())
        verbs = tuple(Applied(*key, verb=_verb(before, candidate)) for key, candidate in taken.items())
        self._enter(after)
        faults = tuple(sorted((*parsed.faults, *refusals), key=lambda fault: fault.line))
        return ApplyResult(after.generation, verbs, faults, _remarks(before, after, parsed, taken, refusals))

    def delete(self, kind: str, namespace: str, name: str) -> int | None:
        """Take an applied object away: the new generation, or None when there is no such object.

        Raises NotDeletable when it stands in a watched file, OSError when the disk refuses.
        """
        key = ObjectKey(kind, namespace, name)
        layer = self._state.layers.get(API, {})
        if key not in layer:
            owner = self._state.objects.get(key)
            if owner is None:
                return None
            place = f"{owner.candidate.file}:{owner.candidate.document.line}"
            raise NotDeletable(f"{key} stands in {place}: take it out of the file")
        self._stored.remove(key)
        self._commit({API: _without(layer, {key})})
        return self._state.generation

    def _save(self, before: State, after: State, taken: Layer) -> None:
        """Write those whose content the API did not have yet."""
        had = before.layers.get(API, {})
        changed = [key for key, each in taken.items() if key not in had or had[key].content != each.content]
        self._stored.save({key: (taken[key].config, after.objects[key].generation) for key in changed})

    def _take(self, outcomes: Mapping[SourceId, Outcome]) -> None:
        """The directories changed."""
        self._commit(self._layers(outcomes))
        self._count(outcomes)

    def _count(self, outcomes: Mapping[SourceId, Outcome]) -> None:
        refused = {(refusal.source, refusal.key) for refusal in self._state.refusals}
        for source, outcome in outcomes.items():
            if isinstance(outcome, Parsed):
                self._metrics.count(outcome, {key for key in outcome.candidates if (source, key) in refused})

    def _layers(self, outcomes: Mapping[SourceId, Outcome]) -> dict[SourceId, Layer | None]:
        layers: dict[SourceId, Layer | None] = {}
        for source, outcome in outcomes.items():
            last = self._state.layers.get(source, {})
            match outcome:
                case None:
                    layers[source] = None
                    self._report(source, (), ())
                case Fault():
                    self._report(source, (outcome,), ())
                case Parsed(is_empty=True) if last:
                    message = "the file is empty: its objects stay; remove the file to remove them"
                    self._report(source, (), (Fault(source.name, 1, "", "", message, "warning"),))
                case Parsed():
                    layers[source] = with_last_good(last, outcome)
                    self._report(source, outcome.faults, outcome.notices)
        return layers

    def _report(self, source: SourceId, faults: tuple[Fault, ...], notices: tuple[Fault, ...]) -> None:
        for fault in faults:
            logger.warning("%s", fault)
        for table, found in ((self._faults, faults), (self._notices, notices)):
            if found:
                table[source] = found
            else:
                table.pop(source, None)

    def _commit(self, changes: Mapping[SourceId, Layer | None]) -> None:
        self._enter(advance(self._state, changes))

    def _enter(self, state: State) -> None:
        """Make ``state`` the present one; subscribers hear of it when its content is new."""
        before, self._state = self._state, state
        known = {refusal.fault for refusal in before.refusals}
        for refusal in state.refusals:
            if refusal.fault not in known:
                logger.warning("%s", refusal.fault)
        if state.generation == before.generation:
            return
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(state.snapshot)
            except Exception:
                logger.exception("a subscriber failed on generation %d", state.generation)


def _log_end(watching: asyncio.Task[None]) -> None:
    """Watching ends only when it is told to; anything else must be heard of."""
    if not watching.cancelled() and watching.exception() is not None:
        logger.error("the directories are no longer watched", exc_info=watching.exception())


def _without(layer: Layer, keys: Mapping[ObjectKey, object] | set[ObjectKey]) -> dict[ObjectKey, Candidate]:
    return {key: candidate for key, candidate in layer.items() if key not in keys}


def _verb(before: State, candidate: Candidate) -> Verb:
    last = before.objects.get(candidate.key)
    if last is None:
        return "created"
    return "unchanged" if last.candidate.content == candidate.content else "configured"


def _remarks(
    before: State, after: State, parsed: Parsed, taken: Layer, refusals: Sequence[Fault]
) -> tuple[Fault, ...]:
    """Warnings about what was applied, and about others that it left without what they refer to."""
    labels = {str(key) for key in taken}
    own = [warning for warning in after.warnings if warning.object in labels]
    old = {refusal.fault for refusal in before.refusals}
    harm = [r.fault for r in after.refusals if r.fault not in old and r.fault not in refusals]
    return (*own, *(replace(fault, severity="warning") for fault in harm), *parsed.notices)
