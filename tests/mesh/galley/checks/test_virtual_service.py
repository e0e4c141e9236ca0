"""What a well-shaped VirtualService may get wrong."""

from __future__ import annotations

import pytest

from mesh.galley.parse import parse

ROUTE = "route: [{destination: {host: a}}]"


def said(spec: str) -> list[str]:
    text = (
        f"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: a}}\nspec: {{{spec}}}\n"
    )
    parsed = parse(text, "a.yaml")
    warnings = [warning for each in parsed.candidates.values() for warning in each.warnings]
    return [f"{fault.path}: {fault.message}" for fault in (*parsed.faults, *warnings)]


def said_of_rule(rule: str) -> list[str]:
    found = said(f"hosts: [a], http: [{{{rule}}}]")
    return [text.removeprefix("spec.http[0]").lstrip(".: ") for text in found]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            f"gateways: [mesh], http: [{{{ROUTE}}}]",
            "spec.hosts: expected at least one host, got none (a delegate has only http rules)",
        ),
        (
            "http: [{delegate: {name: b}}]",
            "spec.http[0].delegate: expected no delegate: a delegate has none itself",
        ),
        ("hosts: [a]", "spec: expected http, tls or tcp rules, got none"),
        (f"hosts: [a, a], http: [{{{ROUTE}}}]", 'spec.hosts[1]: the host "a" stands twice'),
        (
            f"hosts: [a], exportTo: ['*', b], http: [{{{ROUTE}}}]",
            'spec.exportTo[0]: expected nothing beside "*"',
        ),
        (f"hosts: [''], http: [{{{ROUTE}}}]", "spec.hosts[0]: expected a host, got an empty text"),
        (f"hosts: [a_b], http: [{{{ROUTE}}}]", 'spec.hosts[0]: expected a host name, got "a_b"'),
        (f"hosts: [a.*.b], http: [{{{ROUTE}}}]", 'spec.hosts[0]: expected a host name, got "a.*.b"'),
        (
            f"hosts: ['*'], http: [{{{ROUTE}}}]",
            'spec.hosts[0]: expected hosts by name in the mesh, got "*" (only gateways take it)',
        ),
        ("hosts: [a], tcp: [{}]", "spec.tcp[0].route: expected at least one destination, got none"),
    ],
)
def test_hosts_and_rules_are_asked_for(spec: str, expected: str):
    assert expected in said(spec)


def test_hosts_may_be_wildcards_and_addresses():
    assert (
        said(
            f"hosts: ['*.example.com', 10.0.0.1, 'fd00::1', a.default.svc.cluster.local], http: [{{{ROUTE}}}]"
        )
        == []
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("name: x", "expected exactly one of route, redirect or directResponse, got none"),
        ("route: []", "expected exactly one of route, redirect or directResponse, got none"),
        (
            f"{ROUTE}, redirect: {{uri: /}}",
            "expected exactly one of route, redirect or directResponse, got route and redirect",
        ),
        (
            "redirect: {uri: /}, rewrite: {uri: /}",
            "rewrite: expected no rewrite beside redirect: nothing is forwarded",
        ),
        (
            "redirect: {redirectCode: 200}",
            "redirect.redirectCode: expected one of 301, 302, 303, 307, 308, got 200",
        ),
        ("directResponse: {status: 99}", "directResponse.status: expected 200..599, got 99"),
        (
            "directResponse: {status: 200, body: {bytes: '*'}}",
            'directResponse.body.bytes: expected base64, got "*"',
        ),
        (
            "route: [{destination: {host: a}}, {destination: {host: b}, weight: 0}]",
            "route: expected weights with a sum above 0, got 0",
        ),
        (
            "route: [{destination: {host: a}, weight: 2147483647}, "
            "{destination: {host: a}, weight: 2147483647}, {destination: {host: a}, weight: 2}]",
            "route: expected weights with a sum of at most 4294967295, got 4294967296",
        ),
        (
            "route: [{destination: {host: '*'}}]",
            'route[0].destination.host: expected one host, got the wildcard "*"',
        ),
        (
            "route: [{destination: {host: a, subset: V1}}]",
            "route[0].destination.subset: "
            "expected lower-case letters, digits and '-' (at most 63), got \"V1\"",
        ),
        (
            f"match: [{{uri: {{}}}}], {ROUTE}",
            "match[0].uri: expected exactly one of exact, prefix, regex, got none",
        ),
        (
            f"match: [{{headers: {{a b: {{exact: x}}}}}}], {ROUTE}",
            'match[0].headers["a b"]: expected a header name, got "a b"',
        ),
        (
            f"match: [{{queryParams: {{a: {{regex: '['}}}}}}], {ROUTE}",
            'match[0].queryParams.a.regex: expected an RE2 regular expression, got "[": missing ]: [',
        ),
        (
            f"match: [{{uri: {{regex: '(?=a)'}}}}], {ROUTE}",
            'match[0].uri.regex: expected an RE2 regular expression, got "(?=a)": invalid perl operator: (?=',
        ),
        (
            f"{ROUTE}, headers: {{request: {{set: {{Host: b}}}}}}",
            'headers.request.set.Host: expected an ordinary header, got "Host"; '
            "use rewrite for host and path",
        ),
        (
            f'{ROUTE}, headers: {{response: {{add: {{x-a: "b\\r\\nx: y"}}}}}}',
            'headers.response.add.x-a: expected a header value in one line, got "b\\r\\nx: y"',
        ),
        (
            f"{ROUTE}, headers: {{request: {{set: {{x-a: '%REQQ(x)%'}}}}}}",
            'headers.request.set.x-a: the command "%REQQ(x)%" is not supported',
        ),
        (
            f"{ROUTE}, retries: {{attempts: 2, perTryTimeout: 1us}}",
            'retries.perTryTimeout: expected a duration of at least "1ms", got "0.000001s"',
        ),
    ],
)
def test_a_rule_is_checked(rule: str, expected: str):
    assert said_of_rule(rule) == [expected]


@pytest.mark.parametrize(
    "rule",
    [
        "redirect: {uri: /a, redirectCode: 308}",
        "directResponse: {status: 503, body: {string: no}}",
        f"{ROUTE}, timeout: 0s, retries: {{attempts: 0}}",
        f"{ROUTE}, retries: {{attempts: 3, perTryTimeout: 2s, retryOn: 'gateway-error, 503'}}",
        "route: [{destination: {host: a}, weight: 0}]",
        "route: [{destination: {host: a}, weight: 950}, {destination: {host: b}, weight: 50}]",
        f"match: [{{headers: {{a: {{regex: '*'}}}}, withoutHeaders: {{b: {{}}}}}}], {ROUTE}",
        f"{ROUTE}, rewrite: {{uri: /x, authority: b}}",
    ],
)
def test_what_is_valid_is_taken_without_a_word(rule: str):
    assert said_of_rule(rule) == []


def test_rules_behind_one_that_matches_everything_are_warned_of():
    assert said(f"hosts: [a], http: [{{{ROUTE}}}, {{match: [{{uri: {{prefix: /x}}}}], {ROUTE}}}]") == [
        "spec.http[1]: never reached: http[0] before it matches every request"
    ]


def test_a_match_that_stood_before_is_warned_of():
    match = "match: [{uri: {prefix: /x}, headers: {a: {exact: b}}}]"
    assert said(f"hosts: [a], http: [{{{match}, {ROUTE}}}, {{{match}, {ROUTE}}}, {{{ROUTE}}}]") == [
        "spec.http[1].match[0]: never reached: the same match stands at http[0].match[0]"
    ]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("rewrite: {uriRegexRewrite: {match: '(', rewrite: x}}", "expected an RE2 regular expression"),
        ("rewrite: {uriRegexRewrite: {match: a, rewrite: '\\1'}}", "expected groups of the pattern"),
        ("rewrite: {uriRegexRewrite: {match: a, rewrite: '\\n'}}", "expected a digit or another backslash"),
        ("fault: {abort: {grpcStatus: UNAVAILABEL}}", 'got "UNAVAILABEL"; did you mean "UNAVAILABLE"?'),
        ("fault: {abort: {grpcStatus: '17'}}", 'got "17"'),
        ("corsPolicy: {allowOrigins: [{regex: '('}]}", "expected an RE2 regular expression"),
        ("corsPolicy: {allowHeaders: ['x a']}", 'expected a header name, got "x a"'),
    ],
)
def test_rewrites_aborts_and_origins_are_checked(rule: str, expected: str):
    (found,) = said_of_rule(f"{ROUTE}, {rule}")
    assert expected in found


@pytest.mark.parametrize(
    "rule",
    [
        "rewrite: {uriRegexRewrite: {match: '/(a)/(b)', rewrite: '/\\2/\\1\\\\'}}",
        "fault: {abort: {grpcStatus: UNAVAILABLE, percentage: {value: 1}}}",
        "fault: {abort: {grpcStatus: '14', percentage: {value: 1}}}",
    ],
)
def test_good_rewrites_and_aborts_pass(rule: str):
    assert said_of_rule(f"{ROUTE}, {rule}") == []
