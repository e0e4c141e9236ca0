"""What well-shaped rules, policies and services may get wrong."""

from __future__ import annotations

import pytest

from mesh.galley.parse import parse

VERSIONS = {
    "DestinationRule": "networking.istio.io/v1",
    "PeerAuthentication": "security.istio.io/v1",
    "Service": "v1",
}


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("DestinationRule", "{host: ''}", "spec.host: expected a host, got an empty text"),
        (
            "DestinationRule",
            "{host: a, subsets: [{name: v1}, {name: v1}]}",
            'spec.subsets[1].name: the subset "v1" stands twice',
        ),
        (
            "DestinationRule",
            "{host: a, subsets: [{name: v1, labels: {version: 'a b'}}]}",
            'spec.subsets[0].labels.version: expected a label value (at most 63 of A-Za-z0-9-_.), got "a b"',
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {portLevelSettings: [{port: {number: 80}}, {port: {number: 80}}]}}",
            "spec.trafficPolicy.portLevelSettings[1].port.number: "
            "the port 80 stands twice (first in portLevelSettings[0])",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {connectionPool: {}}}",
            "spec.trafficPolicy.connectionPool: expected tcp, http or both, got none",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {tls: {mode: SIMPLE, credentialName: c, caCertificates: /r}}}",
            "spec.trafficPolicy.tls.caCertificates: "
            "expected no caCertificates: credentialName holds the certificates",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [a]}}}",
            "spec.trafficPolicy.tls.subjectAltNames: "
            "expected no subjectAltNames: insecureSkipVerify verifies nothing",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {tls: {mode: ISTIO_MUTUAL, privateKey: /k}}}",
            "spec.trafficPolicy.tls.privateKey: "
            "expected no privateKey: with ISTIO_MUTUAL the mesh issues certificates",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {tls: {mode: MUTUAL, clientCertificate: /c}}}",
            "spec.trafficPolicy.tls: expected privateKey (or credentialName) with mode MUTUAL",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {outlierDetection: {consecutiveLocalOriginFailures: 3}}}",
            "spec.trafficPolicy.outlierDetection.consecutiveLocalOriginFailures: "
            "expected splitExternalLocalOriginErrors: true beside it",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {loadBalancer: {consistentHash: "
            "{useSourceIp: true, maglev: {tableSize: 100}}}}}",
            "spec.trafficPolicy.loadBalancer.consistentHash.maglev.tableSize: "
            "expected a prime up to 5000011, got 100",
        ),
        (
            "DestinationRule",
            "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {httpCookie: {name: 'a b'}}}}}",
            "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.name: "
            'expected a cookie\'s name, got "a b"',
        ),
        (
            "PeerAuthentication",
            "{portLevelMtls: {80: {mode: STRICT}}}",
            "spec.portLevelMtls: expected a selector beside portLevelMtls: ports are a workload's",
        ),
        ("Service", "{ports: []}", "spec.ports: expected at least one port, got none"),
        (
            "Service",
            "{ports: [{port: 80}, {port: 81, name: a}]}",
            "spec.ports[0]: expected a name: the service has several ports",
        ),
        (
            "Service",
            "{ports: [{port: 80, targetPort: 0}]}",
            "spec.ports[0].targetPort: expected 1..65535, got 0",
        ),
    ],
)
def test_each_mistake_is_named(kind: str, spec: str, expected: str):
    text = f"apiVersion: {VERSIONS[kind]}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n"
    assert [f"{fault.path}: {fault.message}" for fault in parse(text, "a.yaml").faults] == [expected]


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("{name: ../../etc/passwd}", "metadata.name: expected lower-case letters, digits, '-' and '.', "),
        ("{name: A}", "metadata.name: expected lower-case letters, digits, '-' and '.', "),
        ("{name: a, namespace: ..}", "metadata.namespace: expected lower-case letters, digits and '-' "),
        ("{name: a, labels: {'/x': y}}", 'metadata.labels["/x"]: expected a label name such as app'),
    ],
)
def test_names_are_names(metadata: str, expected: str):
    text = f"apiVersion: v1\nkind: Service\nmetadata: {metadata}\nspec: {{ports: [{{port: 80}}]}}\n"
    [fault] = parse(text, "a.yaml").faults
    assert f"{fault.path}: {fault.message}".startswith(expected)


def remarks_on(annotation: str, policy: str) -> list[tuple[str, str]]:
    text = f"""\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: a, annotations: {{mesh-labs.io/outlier-detection: "{annotation}"}}}}
spec: {{host: a, trafficPolicy: {policy}}}
"""
    parsed = parse(text, "a.yaml")
    warnings = [fault for candidate in parsed.candidates.values() for fault in candidate.warnings]
    return [(fault.path, fault.message) for fault in (*parsed.faults, *warnings)]


@pytest.mark.parametrize(
    ("annotation", "policy", "message"),
    [
        ("success-rates", "{outlierDetection: {}}", "expected success-rate, failure-percentage, ejection"),
        ("success-rate", "{}", "expected outlierDetection in a traffic policy of this rule, got none"),
        (
            "ejection max-time=20s",
            "{outlierDetection: {}}",
            "max-time: expected at least the baseEjectionTime of 30s, got 20s",
        ),
        (
            "ejection max-time=20s",
            "{portLevelSettings: [{port: {number: 80}, outlierDetection: {baseEjectionTime: 21s}}]}",
            "max-time: expected at least the baseEjectionTime of 21s, got 20s",
        ),
    ],
)
def test_more_outlier_detection_needs_some_and_fits_it(annotation: str, policy: str, message: str):
    [(path, said)] = remarks_on(annotation, policy)
    assert path == 'metadata.annotations["mesh-labs.io/outlier-detection"]'
    assert said.startswith(message)


def test_more_outlier_detection_where_it_fits():
    assert remarks_on("ejection max-time=20s", "{outlierDetection: {baseEjectionTime: 20s}}") == []


def test_consecutive_errors_are_said_to_mean_nothing():
    [(path, said)] = remarks_on("success-rate", "{outlierDetection: {consecutiveErrors: 3}}")
    assert path == "spec.trafficPolicy.outlierDetection.consecutiveErrors"
    assert said.startswith("means nothing any more, as in Istio")


@pytest.mark.parametrize(
    "balancer",
    [
        "{simple: RANDOM, warmup: {duration: 1s}}",
        "{consistentHash: {useSourceIp: true}, warmup: {duration: 1s}}",
    ],
)
def test_a_warmup_that_no_balancer_heeds_is_named(balancer: str):
    [(path, said)] = remarks_on("success-rate", f"{{outlierDetection: {{}}, loadBalancer: {balancer}}}")
    assert path == "spec.trafficPolicy.loadBalancer.warmup"
    assert said.startswith("means something with ROUND_ROBIN and LEAST_REQUEST only")
