"""The table of what is not served yet: each of its lines is a field that Istio has."""

from __future__ import annotations

import pytest

from mesh.galley.api.kinds import KINDS
from mesh.galley.fault import Loc
from mesh.galley.messages import fields_at
from mesh.galley.parse import parse
from mesh.galley.unsupported import UNSUPPORTED


@pytest.mark.parametrize(("kind", "path"), [entry for entry in UNSUPPORTED if entry[1]])
def test_each_line_names_a_field_of_the_api(kind: str, path: str):
    parts: Loc = tuple(0 if part == "*" else part for part in path.split("."))
    assert parts[-1] in fields_at(KINDS[kind].model, parts[:-1])


def test_a_warning_has_the_fields_line_and_path():
    text = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a}
spec:
  hosts: [a]
  http:
  - route:
    - destination: {host: a}
    match: [{statPrefix: x}]
    fault: {abort: {http2Error: REFUSED_STREAM}}
"""
    [candidate] = parse(text, "a.yaml").candidates.values()
    assert [(w.line, w.severity, w.message) for w in candidate.warnings] == [
        (9, "warning", "not supported yet: spec.http[0].match[0].statPrefix"),
        (10, "warning", "not supported yet: spec.http[0].fault.abort.http2Error"),
    ]


def test_only_the_values_of_the_table_are_warned_of():
    def warnings(resolution: str) -> list[str]:
        text = f"""\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: a}}
spec:
  hosts: [a.example]
  ports: [{{number: 80, name: http}}]
  resolution: {resolution}
"""
        [candidate] = parse(text, "a.yaml").candidates.values()
        return [w.message for w in candidate.warnings]

    assert warnings("DNS") == []
    assert warnings("DYNAMIC_DNS") == ["not supported yet: spec.resolution DYNAMIC_DNS"]
