"""The annotations of our own: their names and values."""

from __future__ import annotations

from mesh.galley.api.annotations import KNOWN, PREFIX, faults_of
from mesh.galley.api.metadata import Metadata
from mesh.galley.checks.common import Problems
from mesh.galley.fault import Loc, Problem, did_you_mean, quoted


def check_annotations(metadata: Metadata, kind: str) -> Problems:
    """Those of a kind: what is known on another one is unknown here."""
    known = KNOWN[kind]
    loc: Loc = ("metadata", "annotations")
    for name in metadata.annotations:
        if name.startswith(PREFIX) and name not in known:
            yield Problem((*loc, name), f"unknown annotation {quoted(name)}{did_you_mean(name, known)}")
    for name, message in faults_of(metadata.annotations):
        if name in known:
            yield Problem((*loc, name), message)
