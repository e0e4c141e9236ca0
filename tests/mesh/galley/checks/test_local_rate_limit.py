"""LocalRateLimit, field by field: what is taken, and how each mistake is named."""

from __future__ import annotations

import pytest

from mesh.galley.api.local_rate_limit import LocalRateLimit
from mesh.galley.parse import parse

BUCKET = "tokenBucket: {maxTokens: 1, fillInterval: 1s}"


def text(spec: str) -> str:
    head = "apiVersion: mesh-labs.io/v1alpha1\nkind: LocalRateLimit\nmetadata: {name: a}\nspec: "
    return head + spec.replace("BUCKET", BUCKET) + "\n"


@pytest.mark.parametrize(
    "spec",
    [
        "{http: {BUCKET}}",
        "{tcp: {BUCKET}}",
        "{selector: {matchLabels: {app: a}}, ports: [80, 81], http: {BUCKET}, tcp: {BUCKET}}",
        "{http: {rules: [{match: {uri: {prefix: /a}}, BUCKET}, {match: {headers: {x: {}}}}]}}",
        "{http: {BUCKET, enabledPercent: 12.5, enforcedPercent: 0, status: 503,"
        " responseHeaders: {x-envoy-ratelimited: 'true'}, rateLimitedAsResourceExhausted: true}}",
    ],
)
def test_what_is_taken_comes_back_as_written(spec: str):
    parsed = parse(text(spec), "a.yaml")
    [candidate] = parsed.candidates.values()
    assert candidate.warnings == ()
    assert isinstance(candidate.config, LocalRateLimit)
    assert LocalRateLimit.model_validate(candidate.config.to_dict()) == candidate.config


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("{}", "spec: expected http, tcp or both, got none"),
        ("{ports: [80, 80], tcp: {BUCKET}}", "spec.ports[1]: the port 80 stands twice"),
        ("{selector: {matchLabels: {'-': a}}, tcp: {BUCKET}}", "spec.selector.matchLabels"),
        ("{tcp: {}}", "spec.tcp.tokenBucket: expected a value"),
        ("{tcp: {BUCKET, status: 429}}", 'unknown field "status"'),
        ("{tcp: {tokenBucket: {maxTokens: 1}}}", "spec.tcp.tokenBucket.fillInterval: expected a value"),
        ("{tcp: {tokenBucket: {maxTokens: 0, fillInterval: 1s}}}", "maxTokens: expected at least 1, got 0"),
        (
            "{tcp: {tokenBucket: {maxTokens: 1, tokensPerFill: 0, fillInterval: 1s}}}",
            "spec.tcp.tokenBucket.tokensPerFill: expected at least 1, got 0",
        ),
        (
            "{http: {tokenBucket: {maxTokens: 1, fillInterval: 49ms}}}",
            'spec.http.tokenBucket.fillInterval: expected a duration of at least "50ms", got "0.049s"',
        ),
        ("{http: {}}", "spec.http: expected a tokenBucket, here or in a rule, got none"),
        ("{http: {rules: [{match: {uri: {exact: /}}}]}}", "spec.http: expected a tokenBucket"),
        ("{http: {rules: [{BUCKET}]}}", "spec.http.rules[0].match: expected a value"),
        ("{http: {BUCKET, rules: [{match: {}}]}}", "spec.http.rules[0].match: expected a condition"),
        (
            "{http: {BUCKET, rules: [{match: {uri: {regex: '('}}}]}}",
            "spec.http.rules[0].match.uri.regex: expected an RE2 regular expression",
        ),
        (
            "{http: {BUCKET, rules: [{match: {sourceLabels: {app: a}}}]}}",
            'spec.http.rules[0].match.sourceLabels: unknown field "sourceLabels"',
        ),
        (
            "{http: {rules: [{match: {uri: {exact: /}}, tokenBucket: {maxTokens: 0, fillInterval: 1s}}]}}",
            "spec.http.rules[0].tokenBucket.maxTokens: expected at least 1, got 0",
        ),
        ("{http: {BUCKET, enforcedPercent: 101}}", "spec.http.enforcedPercent: expected 0..100, got 101"),
        ("{http: {BUCKET, status: 302}}", "spec.http.status: expected 400..599, got 302"),
        ("{http: {BUCKET, status: 600}}", "spec.http.status: expected 400..599, got 600"),
        ("{http: {BUCKET, responseHeaders: {':status': a}}}", "expected an ordinary header"),
        ("{http: {BUCKET, responseHeaders: {x: '%PROTOCOL%'}}}", "expected a value without commands (%)"),
    ],
)
def test_each_mistake_is_named(spec: str, expected: str):
    [fault] = parse(text(spec), "a.yaml").faults
    assert expected in f"{fault.path}: {fault.message}"
