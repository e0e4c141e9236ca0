"""Our own annotations on a VirtualService."""

from __future__ import annotations

import pytest

from mesh.galley.parse import parse


def said(annotation: str, value: str) -> list[str]:
    """Of a VirtualService."""
    text = f"""\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: a, annotations: {{"{annotation}": "{value}"}}}}
spec: {{hosts: [a], http: [{{route: [{{destination: {{host: a}}}}]}}]}}
"""
    return [fault.message for fault in parse(text, "a.yaml").faults]


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        ("mesh-labs.io/mirror-host-suffix", "false"),
        ("mesh-labs.io/retry-non-idempotent", "true"),
        ("example.com/sticky", "whatever"),
    ],
)
def test_good_ones_and_those_of_others_pass(annotation: str, value: str):
    assert said(annotation, value) == []


@pytest.mark.parametrize(
    ("annotation", "value", "message"),
    [
        ("mesh-labs.io/mirror-host-suffix", "no", 'expected "true" or "false", got "no"'),
        (
            "mesh-labs.io/mirror-host-sufix",
            "true",
            'unknown annotation "mesh-labs.io/mirror-host-sufix"; did you mean'
            ' "mesh-labs.io/mirror-host-suffix"?',
        ),
    ],
)
def test_what_is_wrong_is_named(annotation: str, value: str, message: str):
    assert said(annotation, value) == [message]


def test_a_kind_does_not_know_those_of_another():
    [message] = said("mesh-labs.io/outlier-detection", "success-rate")
    assert message.startswith('unknown annotation "mesh-labs.io/outlier-detection"')
