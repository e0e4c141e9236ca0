"""One document to one object of the API, or to everything that is wrong with its shape.

    Document -> kind? -> pydantic -> (object or what could be saved of it, problems)

When fields are wrong, the object is read once more without them, so that ``validate`` can already look
at the rest: a user sees all the faults of an object at once, not a new one each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass

from pydantic import ValidationError

from mesh.galley.api.base import ApiObject
from mesh.galley.api.kinds import CORE_KINDS, ISTIO_DOMAIN, KINDS, OTHER_ISTIO_KINDS, OWN, Kind
from mesh.galley.api.metadata import DEFAULT_NAMESPACE, SERVER_FIELDS
from mesh.galley.documents import Document
from mesh.galley.fault import Loc, ObjectKey, Problem, did_you_mean, quoted
from mesh.galley.messages import problem_of
from mesh.galley.yaml_data import Data

_SLIP = 0.85  # so alike are a group and its misspelling; other projects' groups are less so
_ROUNDS = 6  # of saving an object; the API nests its optional parts no deeper


@dataclass(frozen=True, slots=True)
class Read:
    """``config`` is what could be read, also when there are problems; ``key`` None: it has no name."""

    label: str  # as much of "VirtualService default/reviews" as is known
    key: ObjectKey | None
    config: ApiObject | None
    problems: tuple[Problem, ...]


def read(document: Document) -> Read:
    label, key = identify(document.data)
    kind, problem = _kind_of(document.data)
    if kind is None:
        return Read(label, key, None, (*document.problems, *((problem,) if problem else ())))
    problems = list(document.problems)
    if problem is not None:
        problems.append(problem)
    read_object, wrong = _read_object(kind, _prepare(document.data))
    problems += [one for one in wrong if not any(_covers(known.loc, one.loc) for known in document.problems)]
    return Read(label, key, read_object, tuple(problems))


def identify(data: dict[str, Data]) -> tuple[str, ObjectKey | None]:
    """(what to call the object, its key if it says what it is)."""
    kind, metadata = data.get("kind"), data.get("metadata")
    names: dict[str, Data] = metadata if isinstance(metadata, dict) else {}
    namespace = names.get("namespace", DEFAULT_NAMESPACE)
    name = names.get("name")
    known = [part for part in (kind, name) if isinstance(part, str) and part]
    if isinstance(kind, str) and isinstance(name, str) and isinstance(namespace, str) and len(known) == 2:
        key = ObjectKey(kind, namespace, name)
        return str(key), key
    return " ".join(known), None


def _kind_of(data: dict[str, Data]) -> tuple[Kind | None, Problem | None]:
    """The kind to read it as. A problem beside a kind is a wrong apiVersion; a notice is a skipped kind."""
    name, api_version = data.get("kind"), data.get("apiVersion")
    for field, value in (("kind", name), ("apiVersion", api_version)):
        if not isinstance(value, str) or not value:
            loc: Loc = (field,) if field in data else ()
            return None, Problem(loc, f"expected {field} to be text, got {quoted(value)}")
    assert isinstance(name, str)
    assert isinstance(api_version, str)
    kind = KINDS.get(name)
    if kind is not None:
        return _check_version(kind, api_version)
    return None, _unknown_kind(name, api_version)


def _check_version(kind: Kind, api_version: str) -> tuple[Kind | None, Problem | None]:
    if api_version in kind.api_versions:
        return kind, None
    group = api_version.rpartition("/")[0]
    if (
        group != kind.group
        and not _is_istio(group)
        and not did_you_mean(api_version, kind.api_versions, _SLIP)
    ):
        return None, _skipped(kind.name, api_version)  # another project's kind of the same name
    expected = " or ".join(kind.api_versions)
    return kind, Problem(("apiVersion",), f"expected {expected}, got {quoted(api_version)}")


def _is_istio(group: str) -> bool:
    return group == ISTIO_DOMAIN or group.endswith("." + ISTIO_DOMAIN)


def _unknown_kind(name: str, api_version: str) -> Problem:
    group = api_version.rpartition("/")[0]
    if _is_istio(group):
        if name in OTHER_ISTIO_KINDS:
            return Problem(("kind",), f"not supported yet: the kind {name}")
        hint = did_you_mean(name, [*KINDS, *OTHER_ISTIO_KINDS])
        return Problem(("kind",), f"unknown Istio kind {quoted(name)}{hint}")
    if group == OWN:
        known = [kind.name for kind in KINDS.values() if kind.group == OWN]
        return Problem(("kind",), f"unknown kind {quoted(name)} of {OWN}{did_you_mean(name, known)}")
    if api_version == "v1" and name not in CORE_KINDS:
        return Problem(("kind",), f"unknown Kubernetes kind {quoted(name)}{did_you_mean(name, CORE_KINDS)}")
    if group.endswith(".io") and did_you_mean(group, {kind.group for kind in KINDS.values()}, _SLIP):
        hint = did_you_mean(api_version, [text for kind in KINDS.values() for text in kind.api_versions])
        return Problem(("apiVersion",), f"unknown group {quoted(group)}{hint}")
    return _skipped(name, api_version)


def _skipped(name: str, api_version: str) -> Problem:
    return Problem(("kind",), f"skipped: {name} ({api_version}) is not the mesh's business", "notice")


def _prepare(data: dict[str, Data]) -> dict[str, Data]:
    """A copy as the models want it: namespace given, an API server's own fields gone."""
    prepared = {name: value for name, value in data.items() if name != "status"}
    metadata = prepared.get("metadata")
    if isinstance(metadata, dict):
        kept = {name: value for name, value in metadata.items() if name not in SERVER_FIELDS}
        prepared["metadata"] = {"namespace": DEFAULT_NAMESPACE, **kept}
    return prepared


def _read_object(kind: Kind, data: dict[str, Data]) -> tuple[ApiObject | None, list[Problem]]:
    """Read, take out what is wrong, read again: a part taken out may leave its parent wanting."""
    problems: list[Problem] = []
    saved = deepcopy(data)
    for _ in range(_ROUNDS):
        try:
            return kind.model.model_validate(saved), problems
        except ValidationError as error:
            found = [problem_of(kind.model, details) for details in error.errors(include_url=False)]
        problems += [problem for problem in found if not _follows(problem, problems)]
        for problem in found:
            _take_out(saved, problem.loc)
    return None, problems


def _take_out(data: Data, loc: Loc) -> None:
    """Remove what stands at ``loc``; a list's item cannot go (the others keep their index)."""
    for part in loc[:-1]:
        if isinstance(data, dict) and isinstance(part, str) and part in data:
            data = data[part]
        elif isinstance(data, tuple) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return
    if isinstance(data, dict) and loc and isinstance(loc[-1], str):
        data.pop(loc[-1], None)


def _covers(outer: Loc, inner: Loc) -> bool:
    return inner[: len(outer)] == outer


def _follows(problem: Problem, known: Sequence[Problem]) -> bool:
    """True when ``problem`` may only be a consequence of a known one: it lies around or inside it."""
    return any(_covers(problem.loc, one.loc) or _covers(one.loc, problem.loc) for one in known)


def without_consequences(problems: Sequence[Problem], known: Sequence[Problem]) -> list[Problem]:
    """The problems that no known error explains."""
    errors = [one for one in known if one.severity == "error"]
    return [problem for problem in problems if not _follows(problem, errors)]
