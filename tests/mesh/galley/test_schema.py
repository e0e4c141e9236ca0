"""Documents to objects: kinds, versions, and all that is wrong with an object's shape at once."""

from __future__ import annotations

from textwrap import dedent

import pytest

from mesh.galley.parse import Parsed, parse


def read(text: str) -> Parsed:
    return parse(dedent(text), "a.yaml")


def said(parsed: Parsed) -> list[tuple[int, str, str]]:
    return [(fault.line, fault.path, fault.message) for fault in parsed.faults]


def test_all_faults_of_an_object_are_said_at_once_each_with_its_line_and_path():
    parsed = read("""\
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: reviews}
        spec:
          hosts: [reviews]
          gatewys: [mesh]
          http:
          - match:
            - headers:
                user-agent:
                  regx: ".*iPhone.*"
              uri:
                regex: "("
            route:
            - destination: {host: reviews}
              weight: "5"
            - destination: {host: reviews}
              weight: -1
            timeout: 10
            retries:
              attempts: true
              retryOn: connect-failur
            fault:
              delay:
                percentage: {value: 250}
                fixedDelay: 7s
              abort:
                percentage: {value: .nan}
                httpStatus: 9
          - rout: []
        """)
    rule = "spec.http[0]"
    assert said(parsed) == [
        (6, "spec.gatewys", 'unknown field "gatewys"; did you mean "gateways"?'),
        (11, f"{rule}.match[0].headers.user-agent.regx", 'unknown field "regx"; did you mean "regex"?'),
        (
            13,
            f"{rule}.match[0].uri.regex",
            'expected an RE2 regular expression, got "(": missing ): (',
        ),
        (16, f"{rule}.route[0].weight", 'expected a whole number, got "5"'),
        (18, f"{rule}.route[1].weight", "expected 0..2147483647, got -1"),
        (19, f"{rule}.timeout", 'expected a duration such as "1s", "100ms" or "1h", got 10'),
        (21, f"{rule}.retries.attempts", "expected a whole number, got true"),
        (
            22,
            f"{rule}.retries.retryOn",
            'unknown retry condition "connect-failur"; did you mean "connect-failure"?',
        ),
        (25, f"{rule}.fault.delay.percentage.value", "expected 0..100, got 250"),
        (28, f"{rule}.fault.abort.percentage.value", 'expected a finite number, got ".nan"'),
        (29, f"{rule}.fault.abort.httpStatus", "expected 200..599, got 9"),
        (30, "spec.http[1].rout", 'unknown field "rout"; did you mean "route"?'),
    ]
    assert {fault.object for fault in parsed.faults} == {"VirtualService default/reviews"}
    assert {str(key) for key in parsed.failed} == {"VirtualService default/reviews"}


@pytest.mark.parametrize(
    ("head", "path", "message"),
    [
        (
            "kind: DestinatonRule",
            "kind",
            'unknown Istio kind "DestinatonRule"; did you mean "DestinationRule"?',
        ),
        ("kind: AuthorizationPolicy", "kind", "not supported yet: the kind AuthorizationPolicy"),
        ("kind: 5", "kind", "expected kind to be text, got 5"),
        ("{}", "", "expected kind to be text, got nothing"),
    ],
)
def test_an_unknown_istio_kind_is_a_fault_that_names_it(head: str, path: str, message: str):
    [fault] = read(f"apiVersion: networking.istio.io/v1\n{head if head != '{}' else ''}\n").faults
    assert (fault.path, fault.message) == (path, message)


def test_a_wrong_version_says_which_are_read():
    [fault] = read(
        "apiVersion: networking.istio.io/v2\nkind: DestinationRule\nmetadata: {name: a}\nspec: {host: a}\n"
    ).faults
    assert fault.path == "apiVersion"
    assert "expected networking.istio.io/v1 or networking.istio.io/v1beta1 or" in fault.message


def test_a_misspelt_group_is_a_fault():
    [fault] = read("apiVersion: networking.isto.io/v1\nkind: Sidecarr\nmetadata: {name: a}\n").faults
    assert 'did you mean "networking.istio.io/v1"?' in fault.message


def test_a_misspelt_core_kind_is_a_fault():
    [fault] = read("apiVersion: v1\nkind: Servise\nmetadata: {name: a}\n").faults
    assert fault.message == 'unknown Kubernetes kind "Servise"; did you mean "Service"?'


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("apps/v1", "Deployment"),
        ("v1", "ServiceAccount"),
        ("gateway.networking.k8s.io/v1", "Gateway"),
        ("serving.knative.dev/v1", "Service"),
        ("cert-manager.io/v1", "Certificate"),
    ],
)
def test_other_projects_kinds_are_skipped_with_a_notice(api_version: str, kind: str):
    parsed = read(f"apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a}}\n")
    assert not parsed.faults
    [notice] = parsed.notices
    assert (notice.severity, notice.line, notice.object) == ("notice", 2, f"{kind} default/a")


def test_what_an_api_server_adds_is_taken_off():
    parsed = read("""\
        apiVersion: v1
        kind: Service
        metadata:
          name: a
          uid: 7
          creationTimestamp: null
          resourceVersion: "5"
          managedFields: [{}]
        spec: {ports: [{port: 80}]}
        status: {loadBalancer: {}}
        """)
    assert not parsed.faults
    [candidate] = parsed.candidates.values()
    assert candidate.config.to_dict()["metadata"] == {"name": "a", "namespace": "default"}


def test_no_name_is_a_fault_and_the_object_has_no_key():
    parsed = read("apiVersion: v1\nkind: Service\nmetadata: {nam: a}\nspec: {ports: [{port: 80}]}\n")
    messages = [message for _, _, message in said(parsed)]
    assert messages == [
        "expected a value: the field is required",
        'unknown field "nam"; did you mean "name"?',
    ]
    assert parsed.unnamed


def test_the_same_object_twice_in_one_text_is_a_fault_at_the_second():
    text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 80}]}\n"
    parsed = read(text + "---\n" + text)
    [fault] = parsed.faults
    assert (fault.line, fault.message) == (8, "Service default/a stands twice (first in line 1)")
    assert len(parsed.candidates) == 1
