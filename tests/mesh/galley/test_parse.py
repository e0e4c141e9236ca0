"""Whole texts: Istio's shapes are read, good objects survive a round trip, nothing ever raises."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mesh.galley.api.kinds import KINDS
from mesh.galley.fault import Fault
from mesh.galley.parse import Parsed, parse
from mesh.galley.sources.api import to_yaml

DATA = Path(__file__).parent / "data"

words = st.sampled_from(
    "apiVersion kind metadata name spec hosts http match route destination host subset weight timeout "
    "networking.istio.io/v1 VirtualService DestinationRule Service v1 List items reviews 1s fault".split()
)
leaves = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), words)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


def assert_sound(parsed: Parsed, text: str) -> None:
    last_line = text.count("\n") + text.count("\r") + 1 + sum(map(text.count, "\x85\u2028\u2029"))
    for fault in (*parsed.faults, *parsed.notices):
        assert isinstance(fault, Fault)
        assert 1 <= fault.line <= last_line
        assert fault.message
        assert "\n" not in str(fault)


@given(st.text(max_size=200))
@settings(max_examples=60, deadline=None)
def test_any_text_gives_faults_and_never_raises(text: str):
    assert_sound(parse(text, "a.yaml"), text)


@given(
    st.lists(
        st.sampled_from(
            [
                "a",
                ":",
                " ",
                "\n",
                "- ",
                "---\n",
                "[",
                "{",
                "}",
                "]",
                ",",
                "&x",
                "*x",
                "|",
                "<<",
                "!t ",
                "#",
                "'",
                '"',
                "%",
            ]
        ),
        max_size=40,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_soup_of_yaml_signs_gives_faults_and_never_raises(parts: list[str]):
    text = "".join(parts)
    assert_sound(parse(text, "a.yaml"), text)


@given(trees)
@settings(max_examples=60, deadline=None)
def test_any_document_gives_faults_and_never_raises(tree: object):
    text = json.dumps(tree)
    assert_sound(parse(text, "a.yaml"), text)


@given(st.sampled_from(sorted(KINDS)), trees)
@settings(max_examples=60, deadline=None)
def test_any_spec_gives_faults_and_never_raises(kind: str, spec: object):
    document = {
        "apiVersion": KINDS[kind].api_versions[0],
        "kind": kind,
        "metadata": {"name": "a"},
        "spec": spec,
    }
    text = json.dumps(document)
    assert_sound(parse(text, "a.yaml"), text)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_good_object_with_one_value_exchanged_never_raises(data: st.DataObject):
    documents = [c.config.to_dict() for c in parse(all_texts(), "all.yaml").candidates.values()]
    node: object = data.draw(st.sampled_from(documents))
    whole = node
    while isinstance(node, dict | list) and node:
        key = data.draw(st.sampled_from(sorted(node) if isinstance(node, dict) else list(range(len(node)))))
        child = node[key]  # type: ignore[index]
        if not isinstance(child, dict | list) or not child or data.draw(st.integers(0, 4)) == 0:
            node[key] = data.draw(leaves | trees)  # type: ignore[index]
            break
        node = child
    text = json.dumps(whole)
    assert_sound(parse(text, "a.yaml"), text)


def all_texts() -> str:
    return "\n---\n".join(path.read_text() for path in sorted(DATA.glob("*.yaml")))


@pytest.mark.parametrize("path", sorted(DATA.glob("*.yaml")), ids=lambda path: path.name)
def test_files_of_bookinfos_shapes_are_read_without_a_fault(path: Path):
    parsed = parse(path.read_text(), str(path))
    assert not parsed.faults
    assert parsed.candidates


def test_good_objects_survive_being_written_and_read():
    candidates = parse(all_texts(), "all.yaml").candidates
    assert len(candidates) > 8
    for key, candidate in candidates.items():
        again = parse(to_yaml(candidate.config, 3), "b.yaml")
        assert not again.faults
        assert again.candidates[key].content == candidate.content
        assert again.candidates[key].config == candidate.config


tricky = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=20)
texts = tricky | st.sampled_from(
    ["yes", "1e3", "0x1f", "~", "null", "1_0", "2001-01-01", "=", "<<", "- a", "a: b", " "]
)


@given(texts, texts, st.integers(0, 10**15), st.floats(0, 100), st.integers(0, 2**31 - 1))
@example("", "\x1fĀĀĀĀĀĀĀĀĀĀ0 0", 0, 0.0, 0)  # long once escaped, with a space in it
@settings(max_examples=60, deadline=None)
def test_any_valid_content_survives_being_written_and_read(
    exact: str, value: str, nanoseconds: int, percent: float, weight: int
):
    rule = {
        "match": [{"uri": {"exact": exact}, "headers": {"x-a": {"prefix": value}}}],
        "route": [
            {"destination": {"host": "a"}, "weight": weight},
            {"destination": {"host": "b"}, "weight": 1},
        ],
        "timeout": f"{nanoseconds}ns",
        "headers": {"request": {"set": {"x-b": value.replace("%", "%%")}}},
        "fault": {"abort": {"httpStatus": 503, "percentage": {"value": percent}}},
    }
    spec = {"hosts": ["a"], "http": [rule]}
    document = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "a", "annotations": {"note": value}},
        "spec": spec,
    }
    parsed = parse(json.dumps(document), "a.json")
    assert not parsed.faults
    [candidate] = parsed.candidates.values()
    again = parse(to_yaml(candidate.config, 1), "b.yaml")
    assert not again.faults, again.faults
    assert again.candidates[candidate.key].content == candidate.content


def test_what_is_valid_istio_and_not_served_yet_is_taken_with_a_warning():
    text = (DATA / "gateway.yaml").read_text()
    parsed = parse(text.replace("protocol: HTTP\n", "protocol: HTTP\n      targetPort: 80\n"), "gateway.yaml")
    warnings = [str(w) for candidate in parsed.candidates.values() for w in candidate.warnings]
    assert warnings == [
        "gateway.yaml:13: Gateway default/bookinfo-gateway spec.servers[0].port.targetPort: "
        "not supported yet: spec.servers[0].port.targetPort",
    ]
