"""YAML text to candidates: everything about a text that can be said without looking at other texts.

documents -> schema -> validate, unsupported -> Parsed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mesh.galley.api.base import ApiObject
from mesh.galley.api.kinds import KINDS
from mesh.galley.documents import Document, load
from mesh.galley.fault import Fault, ObjectKey, Problem
from mesh.galley.schema import Read, read, without_consequences
from mesh.galley.unsupported import find_unsupported
from mesh.galley.validate import validate


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that is good in itself."""

    key: ObjectKey
    config: ApiObject
    document: Document  # where it stands, for faults found later
    warnings: tuple[Fault, ...] = ()

    @property
    def content(self) -> tuple[object, ...]:
        """What makes two versions the same."""
        return self.config.content

    @property
    def file(self) -> str:
        return self.document.file

    def fault(self, problem: Problem) -> Fault:
        return self.document.fault(str(self.key), problem)


# in the words of Istio's validating webhook
Reason = Literal["yaml_decode_error", "unknown_type", "invalid_resource"]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that is no good. What it says it is, as far as that is a kind and a version we know."""

    reason: Reason
    kind: str = ""
    api_version: str = ""


@dataclass(frozen=True, slots=True)
class Parsed:
    """``failed`` are objects that were named and are not good; ``unnamed`` True: some part gave no name;
    ``is_empty``: not even a comment."""

    candidates: Mapping[ObjectKey, Candidate]
    failed: frozenset[ObjectKey]
    faults: tuple[Fault, ...]
    notices: tuple[Fault, ...]
    unnamed: bool
    is_empty: bool
    rejected: tuple[Rejected, ...] = ()


def parse(text: str, file: str) -> Parsed:
    """Read, check, and sort the good from the bad. Never raises, whatever the text is."""
    loaded = load(text, file)
    faults, notices = list(loaded.faults), list[Fault]()
    candidates: dict[ObjectKey, Candidate] = {}
    failed: set[ObjectKey] = set()
    unnamed = bool(loaded.faults)
    rejected = [Rejected("yaml_decode_error") for _ in loaded.faults]
    for document in loaded.documents:
        outcome = read(document)
        errors, remarks = _problems(document, outcome)
        if outcome.key in candidates:
            first = candidates[outcome.key].document.line
            errors.append(
                Problem(("metadata", "name"), f"{outcome.label} stands twice (first in line {first})")
            )
        faults += [document.fault(outcome.label, problem) for problem in errors]
        shown = tuple(document.fault(outcome.label, problem) for problem in remarks)
        if outcome.config is not None and outcome.key is not None and not errors:
            candidates[outcome.key] = Candidate(outcome.key, outcome.config, document, shown)
        else:
            notices += shown
            if errors:
                rejected.append(_rejected(document))
            if errors and outcome.key is None:
                unnamed = True
            elif errors and outcome.key is not None and outcome.key not in candidates:
                failed.add(outcome.key)
    faults.sort(key=lambda fault: fault.line)
    return Parsed(
        candidates,
        frozenset(failed),
        tuple(faults),
        tuple(notices),
        unnamed,
        not text.strip(),
        tuple(rejected),
    )


def _rejected(document: Document) -> Rejected:
    kind, api_version = document.data.get("kind"), document.data.get("apiVersion")
    known = KINDS.get(kind) if isinstance(kind, str) else None
    if known is None:
        return Rejected("unknown_type")
    version = next((one for one in known.api_versions if one == api_version), "")
    return Rejected("invalid_resource", known.name, version)


def _problems(document: Document, outcome: Read) -> tuple[list[Problem], list[Problem]]:
    """(errors, warnings and notices) of one document."""
    found = list(outcome.problems)
    if outcome.config is not None:
        found += without_consequences(validate(outcome.config), outcome.problems)
        found += find_unsupported(outcome.config.kind, document.data)
    errors = [problem for problem in found if problem.severity == "error"]
    return errors, [problem for problem in found if problem.severity != "error"]
