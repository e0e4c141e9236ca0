"""HealthCheck, field by field: what is taken, and how each mistake is named."""

from __future__ import annotations

import pytest

from mesh.galley.api.health_check import HealthCheck
from mesh.galley.parse import parse


def text(spec: str) -> str:
    return f"apiVersion: mesh-labs.io/v1alpha1\nkind: HealthCheck\nmetadata: {{name: a}}\nspec: {spec}\n"


@pytest.mark.parametrize(
    "spec",
    [
        "{host: a, http: {path: /}}",
        "{host: '*.example.com', ports: [80, 81], subset: v1, tcp: {send: PING, receive: [PONG]}}",
        "{host: a, grpc: {}}",
        "{host: a, grpc: {serviceName: shop.Cart, authority: 'cart:80'}, interval: 1h, timeout: 10ms}",
        "{host: a, http: {path: '/a?b=c', host: b.c, method: POST, headers: {x-a: b}, receive: [ok],"
        " expectedStatuses: [200, '300-399'], retriableStatuses: ['503']}}",
    ],
)
def test_what_is_taken_comes_back_as_written(spec: str):
    parsed = parse(text(spec), "a.yaml")
    [candidate] = parsed.candidates.values()
    assert candidate.warnings == ()
    assert isinstance(candidate.config, HealthCheck)
    again = HealthCheck.model_validate(candidate.config.to_dict())
    assert again == candidate.config


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("{host: a}", "spec: expected exactly one of http, tcp, grpc, got none"),
        ("{host: a, http: {path: /}, tcp: {}}", "expected exactly one of http, tcp, grpc, got http and tcp"),
        ("{host: '', tcp: {}}", "spec.host: expected a host, got an empty text"),
        ("{host: a, ports: [0], tcp: {}}", "spec.ports[0]: expected 1..65535, got 0"),
        ("{host: a, ports: [80, 80], tcp: {}}", "spec.ports[1]: the port 80 stands twice"),
        ("{host: a, subset: A, tcp: {}}", "spec.subset: expected lower-case letters"),
        ("{host: a, tcp: {}, unhealthyThreshold: 0}", "spec.unhealthyThreshold: expected at least 1, got 0"),
        ("{host: a, tcp: {}, healthyThreshold: 0}", "spec.healthyThreshold: expected at least 1, got 0"),
        ("{host: a, tcp: {}, interval: 0s}", 'spec.interval: expected a duration of at least "1ms"'),
        ("{host: a, tcp: {}, intervall: 1s}", 'unknown field "intervall"; did you mean "interval"?'),
        ("{host: a, http: {path: healthz}}", 'spec.http.path: expected a path such as "/healthz"'),
        ("{host: a, http: {path: '/a b'}}", "spec.http.path: expected a path"),
        ("{host: a, http: {path: /, host: 'a b'}}", 'spec.http.host: expected a host, got "a b"'),
        ("{host: a, http: {path: /, method: CONNECT}}", "spec.http.method: expected one of GET"),
        (
            "{host: a, http: {path: /, headers: {host: b}}}",
            "spec.http.headers.host: expected an ordinary header",
        ),
        ("{host: a, http: {path: /, headers: {x: '%PROTOCOL%'}}}", "expected a value without commands (%)"),
        (
            "{host: a, http: {path: /, expectedStatuses: [600]}}",
            'spec.http.expectedStatuses[0]: expected a status or a range such as "200-299", got 600',
        ),
        ("{host: a, http: {path: /, expectedStatuses: ['299-200']}}", "expected a status or a range"),
        ("{host: a, http: {path: /, expectedStatuses: [true]}}", "expected a status or a range"),
        ("{host: a, http: {path: /, method: HEAD, receive: [x]}}", "expected none with the method HEAD"),
        ("{host: a, tcp: {receive: ['']}}", "spec.tcp.receive[0]: expected some text, got none"),
        ("{host: a, tcp: {send: PING}}", "spec.tcp.send: expected receive beside it"),
        (f"{{host: a, tcp: {{receive: [{'x' * 1025}]}}}}", "spec.tcp.receive: expected at most 1024 bytes"),
        ("{host: a, grpc: {authority: 'a/b'}}", 'spec.grpc.authority: expected a host, got "a/b"'),
    ],
)
def test_each_mistake_is_named(spec: str, expected: str):
    [fault] = parse(text(spec), "a.yaml").faults
    assert expected in f"{fault.path}: {fault.message}"


@pytest.mark.parametrize(
    ("version", "kind", "message"),
    [
        ("mesh-labs.io/v1", "HealthCheck", "expected mesh-labs.io/v1alpha1, got"),
        ("mesh-labs.io/v1alpha1", "HealtCheck", 'unknown kind "HealtCheck" of mesh-labs.io; did you mean'),
    ],
)
def test_our_own_group_is_as_strict_as_istios(version: str, kind: str, message: str):
    said = text("{host: a, tcp: {}}").replace("mesh-labs.io/v1alpha1", version).replace("HealthCheck", kind)
    [fault] = parse(said, "a.yaml").faults
    assert message in fault.message
