"""Wrong types and words, in galley's words."""

from __future__ import annotations

import pytest

from mesh.galley.api.virtual_service import VirtualService
from mesh.galley.messages import fields_at
from mesh.galley.parse import parse


def fault_of(spec: str) -> str:
    text = (
        f"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: a}}\nspec:\n  {spec}\n"
    )
    [fault] = parse(text, "a.yaml").faults
    return f"{fault.path}: {fault.message}"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("{}", "spec.host: expected a value: the field is required"),
        ("{host: 5}", 'spec.host: expected text, got 5; write it in quotes: "5"'),
        ("{host: a, subsets: {name: v1}}", "spec.subsets: expected a list, got a mapping"),
        ("{host: a, subsets: v1}", 'spec.subsets: expected a list, got "v1"'),
        ("{host: a, subsets: }", "spec.subsets: expected a list, got nothing"),
        ("{host: a, subsets: [v1]}", 'spec.subsets[0]: expected a mapping of fields, got "v1"'),
        ("{host: a, trafficPolicy: []}", "spec.trafficPolicy: expected a mapping of fields, got a list"),
        (
            "{host: a, subsets: [{name: v1, labels: {version: 1}}]}",
            'spec.subsets[0].labels.version: expected text, got 1; write it in quotes: "1"',
        ),
        (
            "{host: a, subsets: [{name: v1, labels: [a]}]}",
            "spec.subsets[0].labels: expected a mapping, got a list",
        ),
        (
            "{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTAL}}}",
            "spec.trafficPolicy.tls.mode: expected one of DISABLE, SIMPLE, MUTUAL, ISTIO_MUTUAL, "
            'got "ISTIO_MUTAL"; did you mean "ISTIO_MUTUAL"?',
        ),
        (
            "{host: a, trafficPolicy: {connectionPool: {tcp: {maxConnections: 1.5}}}}",
            "spec.trafficPolicy.connectionPool.tcp.maxConnections: expected a whole number, got 1.5",
        ),
        (
            "{host: a, trafficPolicy: {connectionPool: {tcp: {maxConnections: 99999999999999999999}}}}",
            "spec.trafficPolicy.connectionPool.tcp.maxConnections: "
            "expected 0..2147483647, got 99999999999999999999",
        ),
        (
            "{host: a, trafficPolicy: {retryBudget: {percent: true}}}",
            "spec.trafficPolicy.retryBudget.percent: expected a number, got true",
        ),
        (
            "{host: a, trafficPolicy: {outlierDetection: {splitExternalLocalOriginErrors: yes}}}",
            "spec.trafficPolicy.outlierDetection.splitExternalLocalOriginErrors: "
            'expected true or false, got "yes"',
        ),
        (
            "{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: {useSourceIp: true}}}}",
            "spec.trafficPolicy.loadBalancer: "
            "expected at most one of simple, consistentHash, got simple and consistentHash",
        ),
        ("{host: a, Host: b}", 'spec.Host: unknown field "Host"; did you mean "host"?'),
        ("{host: a, zzz: b}", 'spec.zzz: unknown field "zzz"'),
    ],
)
def test_a_wrong_value_says_what_was_expected_and_what_was_found(spec: str, expected: str):
    assert fault_of(spec) == expected


def test_fields_are_found_through_lists_mappings_and_options():
    headers = ("spec", "http", 3, "match", 0, "headers", "x-any")
    assert fields_at(VirtualService, headers) == ["exact", "prefix", "regex"]
    assert "fixedDelay" in fields_at(VirtualService, ("spec", "http", 0, "fault", "delay"))
    assert fields_at(VirtualService, ("nowhere", "at", "all")) == []
