"""YAML text to plain data that remembers its lines: the first stage of galley.

    text -> one chunk a document -> ruamel's nodes -> Document(data, lines, problems)

Documents are cut apart before they are parsed (YAML 1.2 section 9.1.2: ``---`` at the start of a line
ends a document whatever it stands in), so a syntax error in one leaves the others whole. Lists become
tuples. Nothing here raises: whatever the text is, the result is documents and faults.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.nodes import Node
from ruamel.yaml.reader import ReaderError

from mesh.galley.fault import Fault, Loc, Problem, path_of
from mesh.galley.yaml_data import Data, DataBuilder

MAX_CHARACTERS = 2 * 1024 * 1024  # of one text, some 5000 VirtualServices; the parser takes 4 s a MB

_START = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_EMPTY = re.compile(r"(?:\s|#[^\n]*(?:\n|$)|%[^\n]*(?:\n|$)|\.\.\.(?=\s|$))*")


@dataclass(frozen=True, slots=True)
class Document:
    """One document (or one item of a ``kind: List``). ``lines`` has the line of each location, from 1."""

    file: str
    line: int
    data: dict[str, Data]
    lines: Mapping[Loc, int]
    problems: tuple[Problem, ...] = ()

    def line_of(self, loc: Loc) -> int:
        """The line of ``loc``, or of the nearest part around it that was written."""
        for end in range(len(loc), 0, -1):
            if loc[:end] in self.lines:
                return self.lines[loc[:end]]
        return self.line

    def fault(self, label: str, problem: Problem) -> Fault:
        line = self.line_of(problem.loc)
        return Fault(self.file, line, label, path_of(problem.loc), problem.message, problem.severity)


@dataclass(slots=True)
class Documents:
    """What one text held. ``faults`` are of chunks that gave no document at all."""

    documents: list[Document] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def load(text: str, file: str) -> Documents:
    """Read every document of ``text``; ``file`` is only a name to report."""
    if len(text) > MAX_CHARACTERS:
        message = f"expected at most {MAX_CHARACTERS} characters, got {len(text)}"
        return Documents(faults=[Fault(file, 1, "", "", message)])
    loaded = Documents()
    for first_line, chunk in _chunks(text):
        _load_chunk(file, first_line, chunk, loaded)
    return loaded


def _chunks(text: str) -> Iterator[tuple[int, str]]:
    """(line before the chunk's first line, chunk) of each document that is more than comments."""
    starts = [0, *(found.start() for found in _START.finditer(text)), len(text)]
    for start, end in pairwise(starts):
        chunk = text[start:end]
        body = chunk[3:] if _START.match(chunk) else chunk
        if not _EMPTY.fullmatch(body):
            yield text.count("\n", 0, start), chunk


def _load_chunk(file: str, first_line: int, chunk: str, loaded: Documents) -> None:
    try:
        node = YAML(typ="safe", pure=True).compose(chunk)
    except Exception as error:  # the parser's own slips (OverflowError, ...) are the text's fault too
        line, message = _explain(error, chunk)
        loaded.faults.append(Fault(file, first_line + line, "", "", message))
        return
    if node is not None:
        _load_node(file, first_line, node, loaded)


def _load_node(file: str, first_line: int, node: Node, loaded: Documents) -> None:
    builder = DataBuilder(first_line)
    data = builder.build(node)
    line = first_line + node.start_mark.line + 1
    if not isinstance(data, dict):
        problem = builder.problems[0].message if builder.problems else "expected a mapping of fields"
        loaded.faults.append(Fault(file, line, "", "", problem))
        return
    document = Document(file, line, data, builder.lines, tuple(builder.problems))
    if str(data.get("kind", "")) == "List" and isinstance(data.get("items"), tuple):
        _load_items(document, loaded)
    else:
        loaded.documents.append(document)


def _load_items(whole: Document, loaded: Documents) -> None:
    """Kubernetes' ``kind: List``: each item is an object of its own, with paths from its own root."""
    items = whole.data["items"]
    assert isinstance(items, tuple)
    lines: list[dict[Loc, int]] = [{} for _ in items]
    problems: list[list[Problem]] = [[] for _ in items]
    for loc, line in whole.lines.items():
        if len(loc) > 1 and loc[0] == "items" and isinstance(loc[1], int):
            lines[loc[1]][loc[2:]] = line
    for problem in whole.problems:
        loc = problem.loc
        if len(loc) > 1 and loc[0] == "items" and isinstance(loc[1], int):
            problems[loc[1]].append(Problem(loc[2:], problem.message, problem.severity))
        else:
            loaded.faults.append(whole.fault("", problem))
    for index, item in enumerate(items):
        line = lines[index].get((), whole.line)
        if isinstance(item, dict):
            loaded.documents.append(Document(whole.file, line, item, lines[index], tuple(problems[index])))
        else:
            loaded.faults.append(
                Fault(whole.file, line, "", f"items[{index}]", "expected a mapping of fields")
            )


def _explain(error: Exception, chunk: str) -> tuple[int, str]:
    """(line in the chunk from 1, message) of whatever the YAML library raised."""
    match error:
        case MarkedYAMLError():
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark is not None else 1
            message = str(error.problem or error.context or "cannot be read")
        case ReaderError():
            line = chunk.count("\n", 0, error.position) + 1
            message = f"unacceptable character {error.character!r}"
        case RecursionError():
            line, message = 1, "nested too deeply"
        case _:
            line, message = 1, f"cannot be read ({error})"
    last = chunk.rstrip("\n").count("\n") + 1
    return min(line, last), f"not YAML: {' '.join(message.split())}"
