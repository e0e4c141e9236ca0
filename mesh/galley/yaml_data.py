"""ruamel's nodes to plain data, with the line of every location and a problem for every oddity.

YAML 1.2 core schema as ruamel resolves it, with Kubernetes' reading of the corners: keys are text,
timestamps are text, custom tags are faults. Aliases and ``<<`` merges are expanded, inside a budget.
"""

from __future__ import annotations

import math
from typing import TypeAlias

from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from mesh.galley.fault import Loc, Problem, quoted

Data: TypeAlias = "str | int | float | bool | tuple[Data, ...] | dict[str, Data] | None"

MAX_NODES = 200_000  # of one document, aliases expanded: stops "billion laughs"
MAX_DEPTH = 60  # Istio's deepest path has about 15 parts
MAX_DIGITS = 400  # of an integer; nothing in the API is wider than 64 bits

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_TEXT_TAGS = frozenset({_TAG + "str", _TAG + "timestamp", _TAG + "value"})


class _Refused(Exception):
    """This node has no value; the message says why."""


class DataBuilder:
    """Builds one document. A part with a problem is left out of the data."""

    def __init__(self, first_line: int) -> None:
        self.lines: dict[Loc, int] = {}
        self.problems: list[Problem] = []
        self._first_line = first_line
        self._nodes = 0

    def build(self, node: Node) -> Data:
        """The document's data; None (and a problem) when even the root is of no use."""
        self.lines[()] = self._line(node)
        try:
            return self._build(node, ())
        except _Refused as refused:
            self.problems.append(Problem((), str(refused)))
            return None

    def _line(self, node: Node) -> int:
        return int(self._first_line + node.start_mark.line + 1)

    def _build(self, node: Node, loc: Loc) -> Data:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _Refused(f"expected at most {MAX_NODES} values in a document")
        if len(loc) > MAX_DEPTH:
            raise _Refused(f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(node, MappingNode):
            return self._mapping(node, loc)
        if isinstance(node, SequenceNode):
            return self._sequence(node, loc)
        assert isinstance(node, ScalarNode)
        return _scalar(node)

    def _sequence(self, node: SequenceNode, loc: Loc) -> Data:
        _expect_tag(node, "seq")
        items: list[Data] = []
        for index, item in enumerate(node.value):
            here = (*loc, index)
            self.lines[here] = self._line(item)
            try:
                items.append(self._build(item, here))
            except _Refused as refused:
                self.problems.append(Problem(here, str(refused)))
                items.append(None)  # later items keep their index
        return tuple(items)

    def _mapping(self, node: MappingNode, loc: Loc) -> Data:
        _expect_tag(node, "map")
        built: dict[str, Data] = {}
        written: dict[str, int] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged.append(value_node)
                continue
            key = self._key(key_node, loc)
            if key is None:
                continue
            here = (*loc, key)
            if key in written:
                message = f"the key {quoted(key)} stands twice (first in line {written[key]})"
                self.lines[here] = self._line(key_node)
                self.problems.append(Problem(here, message))
                continue
            written[key] = self.lines[here] = self._line(key_node)
            self._value(built, key, value_node, here)
        for source in merged:
            self._merge(built, source, loc)
        return built

    def _key(self, node: Node, loc: Loc) -> str | None:
        """Kubernetes' reading: keys are text, and ``9080:`` is the key "9080"."""
        if isinstance(node, ScalarNode) and node.tag != _TAG + "null":
            try:
                return _text(node)
            except _Refused as refused:
                self.problems.append(Problem(loc, str(refused)))
                return None
        self.problems.append(Problem(loc, f"expected a word as key in line {self._line(node)}"))
        return None

    def _value(self, built: dict[str, Data], key: str, node: Node, here: Loc) -> None:
        try:
            built[key] = self._build(node, here)
        except _Refused as refused:
            self.problems.append(Problem(here, str(refused)))

    def _merge(self, built: dict[str, Data], source: Node, loc: Loc) -> None:
        """``<<: *other`` or a list of them: adds what is not there yet."""
        parts = source.value if isinstance(source, SequenceNode) else [source]
        for part in parts:
            if not isinstance(part, MappingNode):
                self.problems.append(
                    Problem(loc, f"expected a mapping to merge in line {self._line(source)}")
                )
                continue
            for key_node, value_node in part.value:
                key = self._key(key_node, loc)
                if key is not None and key not in built:
                    self.lines[(*loc, key)] = self._line(source)
                    self._value(built, key, value_node, (*loc, key))


def _expect_tag(node: Node, name: str) -> None:
    if node.tag != _TAG + name:
        raise _Refused(f"the tag {quoted(node.tag)} is not supported")


def _text(node: ScalarNode) -> str:
    """The text, with JSON's escaped surrogate pairs ("\\ud83d\\ude00") put together."""
    value = str(node.value)
    if not any("\ud800" <= character <= "\udfff" for character in value):
        return value
    try:
        return value.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise _Refused("expected text, got half of a surrogate pair") from None


def _scalar(node: ScalarNode) -> Data:
    tag = str(node.tag)
    if tag in _TEXT_TAGS:
        return _text(node)
    if tag == _TAG + "null":
        return None
    if tag == _TAG + "bool":
        return str(node.value).lower() == "true"
    if tag == _TAG + "int":
        return _integer(str(node.value))
    if tag == _TAG + "float":
        return _float(str(node.value))
    if tag == _MERGE:
        return str(node.value)
    raise _Refused(f"the tag {quoted(tag)} is not supported")


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    if len(digits) > MAX_DIGITS:
        raise _Refused("expected a number of 64 bits, got a huge one")
    sign, digits = (-1, digits[1:]) if digits.startswith("-") else (1, digits.removeprefix("+"))
    base = {"0x": 16, "0o": 8, "0b": 2}.get(digits[:2], 10)
    try:
        return sign * int(digits if base == 10 else digits[2:], base)
    except ValueError:
        raise _Refused(f"expected a number, got {quoted(text)}") from None


def _float(text: str) -> float:
    try:
        value = float(text.replace("_", "").lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        raise _Refused(f"expected a number, got {quoted(text)}") from None
    if not math.isfinite(value):
        raise _Refused(f"expected a finite number, got {quoted(text)}")
    return value
