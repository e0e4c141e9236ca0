"""What is wrong with a configuration, and where: the one shape every stage of galley reports in.

Stages work on ``Problem``s (a location inside one object); ``Document.fault`` adds file and line and
makes them ``Fault``s, which is what a user sees.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "notice"]
Loc = tuple[str | int, ...]  # ("spec", "http", 2, "route"): field names as the user writes them


class ObjectKey(NamedTuple):
    """What makes an object one object; sorts by kind, namespace, name."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong at ``loc``. An error keeps its object out; a warning or a notice does not."""

    loc: Loc
    message: str  # lower case, what was expected and what was found, no trailing dot
    severity: Severity = "error"


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem as it is shown. ``line`` counts from 1; ``object`` and ``path`` may be empty."""

    file: str
    line: int
    object: str  # "VirtualService default/reviews"
    path: str  # "spec.http[2].route[0].weight"
    message: str
    severity: Severity = "error"

    def __str__(self) -> str:
        """One line, whatever stands in it: a name may hold what no name may hold."""
        where = " ".join(part for part in (self.object, self.path) if part)
        text = f"{self.file}:{self.line}: " + (f"{where}: " if where else "") + self.message
        return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def path_of(loc: Loc) -> str:
    """``("spec", "http", 2)`` as ``spec.http[2]``; keys that are no plain words stand in brackets."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("_", "").replace("-", "").isalnum():
            text += f".{part}" if text else part
        else:
            text += f"[{quoted(part)}]"
    return text


def did_you_mean(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """``; did you mean "weight"?`` or nothing. Case is not held against the writer;
    ``cutoff`` 0..1 is how alike the words must be."""
    by_lower = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    return f'; did you mean "{by_lower[close[0]]}"?' if close else ""


def quoted(value: object) -> str:
    """A value as a message shows it: YAML's words, cut to a readable length."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, tuple | list):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a huge number"
    if isinstance(value, float):
        return f"{value:.15g}"
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    text = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return text if len(text) <= 60 else f"{text[:57]}..."
