"""Text to documents: lines, syntax errors, the corners of YAML."""

from __future__ import annotations

from textwrap import dedent

import pytest

from mesh.galley.documents import MAX_CHARACTERS, Documents, load


def read(text: str) -> Documents:
    return load(dedent(text), "a.yaml")


def said(documents: Documents) -> list[tuple[int, str]]:
    of_documents = [(d.line_of(p.loc), p.message) for d in documents.documents for p in d.problems]
    return [(fault.line, fault.message) for fault in documents.faults] + of_documents


def test_every_location_knows_its_line():
    [document] = read("""\
        # a comment
        kind: X

        spec:
          hosts: [a,
                  b]
          http:
          - name: one
            timeout: 1s
          - name: two
        """).documents
    assert document.line == 2
    assert document.line_of(("spec",)) == 4
    assert document.line_of(("spec", "hosts", 1)) == 6
    assert document.line_of(("spec", "http", 0, "timeout")) == 9
    assert document.line_of(("spec", "http", 1)) == 10
    assert document.line_of(("spec", "http", 1, "nowhere", "deeper")) == 10


def test_lines_count_on_through_documents_and_windows_line_ends():
    loaded = load("kind: A\r\n---\r\n# c\r\nkind: B\r\n---\r\nkind: C\r\n", "a.yaml")
    assert [(d.data["kind"], d.line) for d in loaded.documents] == [("A", 1), ("B", 4), ("C", 6)]


def test_comments_directives_and_empty_documents_are_nothing():
    assert read("") == Documents()
    assert read("---\n# only\n---\n\n...\n---\n") == Documents()
    [document] = read("%YAML 1.2\n---\nkind: A\n...\n").documents
    assert document.line == 3


def test_a_syntax_error_leaves_the_other_documents_whole():
    loaded = read("""\
        kind: A
        ---
        kind: B
        spec: [1, 2
        ---
        kind: C
        """)
    assert [d.data["kind"] for d in loaded.documents] == ["A", "C"]
    [(line, message)] = said(loaded)
    assert line in (3, 4)
    assert message.startswith("not YAML: ")


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: b: c", 1, "mapping values are not allowed"),
        ("a:\n\t- x", 2, "cannot start any token"),
        ("a: 1\nb: *y\n", 2, "undefined alias"),
        ("a: 1\nb: \x01\n", 2, "unacceptable character"),
        ('a: "\\Uffffffff"', 1, "cannot be read"),
        ("[" * 1200, 1, "nested too deeply"),
        ("{a: " * 70 + "1" + "}" * 70, 1, "nested deeper than 60 levels"),
        ("- 1\n- 2\n", 1, "expected a mapping of fields"),
        ("just words", 1, "expected a mapping of fields"),
        ("a: 1\na: 2\n", 2, 'the key "a" stands twice (first in line 1)'),
        ("a:\n  b: .inf\n", 2, "expected a finite number"),
        ("a: .NaN\n", 1, 'expected a finite number, got ".NaN"'),
        ("a: " + "9" * 5000, 1, "got a huge one"),
        ("a: 1e999\n", 1, "expected a finite number"),
        ("a: !python/object:os.system x\n", 1, "is not supported"),
        ("a: !!binary aGk=\n", 1, "is not supported"),
        ('a: "\\ud800"\n', 1, "surrogate"),
        ("? [1, 2]\n: 3\n", 1, "expected a word as key"),
        ("a: &a [*a]\n", 1, "nested deeper"),
    ],
)
def test_whatever_is_odd_is_a_fault_with_its_line(text: str, line: int, part: str):
    found = said(load(text, "a.yaml"))
    assert [(at, message) for at, message in found if at == line and part in message], found


def test_billion_laughs_stop_inside_the_budget():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    [problem] = {message for _, message in said(load("\n".join(lines), "a.yaml")) if "at most" in message}
    assert problem == "expected at most 200000 values in a document"


def test_a_text_beyond_the_limit_is_refused_unread():
    [fault] = load("#" * (MAX_CHARACTERS + 1), "a.yaml").faults
    assert "characters" in fault.message


def test_scalars_are_read_as_yaml_1_2_says():
    [document] = read("""\
        text: [yes, on, 2001-01-01, "5", 1.2.3, '']
        numbers: [1, -2, +3, 0x1f, 0o17, 1_000, 1.5, 1e3]
        words: [true, False, null, ~, ]
        9080: port
        """).documents
    assert document.data == {
        "text": ("yes", "on", "2001-01-01", "5", "1.2.3", ""),
        "numbers": (1, -2, 3, 31, 15, 1000, 1.5, 1000.0),
        "words": (True, False, None, None),
        "9080": "port",
    }


def test_aliases_and_merges_are_expanded():
    [document] = read("""\
        base: &base {a: 1, b: 2}
        one: {<<: *base, b: 3}
        two: *base
        """).documents
    assert document.data["one"] == {"a": 1, "b": 3}
    assert document.data["two"] == {"a": 1, "b": 2}


def test_the_items_of_a_list_are_documents_with_paths_of_their_own():
    loaded = read("""\
        apiVersion: v1
        kind: List
        items:
        - kind: A
          spec:
            x: 1
            x: 2
        - kind: B
        - 5
        """)
    a, b = loaded.documents
    assert (a.line, a.data["kind"], a.line_of(("spec", "x"))) == (4, "A", 7)
    assert (b.line, b.data["kind"]) == (8, "B")
    assert [problem.loc for problem in a.problems] == [("spec", "x")]
    assert [(fault.line, fault.path) for fault in loaded.faults] == [(9, "items[2]")]
