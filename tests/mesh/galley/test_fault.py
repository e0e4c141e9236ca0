"""How faults speak."""

from __future__ import annotations

import pytest

from mesh.galley.fault import Fault, did_you_mean, path_of, quoted


def test_a_path_reads_as_it_is_written():
    assert path_of(("spec", "http", 2, "route", 0, "weight")) == "spec.http[2].route[0].weight"
    assert path_of(("headers", "user-agent", "regex")) == "headers.user-agent.regex"
    assert path_of(("metadata", "labels", "a.b/c")) == 'metadata.labels["a.b/c"]'
    assert path_of(()) == ""


def test_a_fault_is_one_line_that_an_editor_can_jump_to():
    fault = Fault(
        "a.yaml", 7, "VirtualService default/a", "spec.hosts", "expected at least one host, got none"
    )
    assert str(fault) == "a.yaml:7: VirtualService default/a spec.hosts: expected at least one host, got none"
    assert str(Fault("a.yaml", 1, "", "", "not YAML")) == "a.yaml:1: not YAML"


def test_a_hint_is_given_for_near_words_only():
    assert did_you_mean("wieght", ["weight", "route"]) == '; did you mean "weight"?'
    assert did_you_mean("SUBSET", ["subset"]) == '; did you mean "subset"?'
    assert did_you_mean("zzz", ["weight"]) == ""


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "nothing"),
        (True, "true"),
        (250.0, "250"),
        (0.1, "0.1"),
        ("a\nb", '"a\\nb"'),
        ({}, "a mapping"),
        ((), "a list"),
        (10**300, "a huge number"),
        ("x" * 100, '"' + "x" * 56 + "..."),
    ],
)
def test_values_are_shown_in_yamls_words_and_short(value: object, shown: str):
    assert quoted(value) == shown


def test_a_fault_is_one_line_whatever_the_object_is_called():
    fault = Fault("a.yaml", 2, "a\nb\u2028 c", "kind", "unknown")
    assert str(fault) == "a.yaml:2: a\\nb\\u2028 c kind: unknown"
