"""Galley's YAML: whatever the text, candidates and faults; what is good, written and read, is the same."""

from __future__ import annotations

from fuzzing.target import Target, expect
from mesh.galley.parse import Parsed, parse
from mesh.galley.sources.api import to_yaml


def check(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    parsed = parse(text, "fuzz.yaml")
    lines = len(text.splitlines()) + 1
    for fault in (*parsed.faults, *parsed.notices):
        expect(1 <= fault.line <= lines, "a fault outside of the text", fault.line, lines, fault.message)
        expect(bool(fault.message), "a fault without a word", fault)
    expect(_content(parse(text, "fuzz.yaml")) == _content(parsed), "the same text reads differently", text)
    for key, candidate in parsed.candidates.items():
        written = to_yaml(candidate.config, 1)
        again = parse(written, "again.yaml")
        expect(set(again.candidates) == {key}, "written, it is refused", written, again.faults)
        expect(again.candidates[key].content == candidate.content, "written and read, it differs", written)


def _content(parsed: Parsed) -> tuple[object, ...]:
    found = {key: candidate.content for key, candidate in parsed.candidates.items()}
    return found, parsed.failed, parsed.faults, parsed.notices, parsed.unnamed


_RULES = b"""apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, namespace: default}
spec:
  hosts: [reviews]
  http:
  - match: [{uri: {prefix: /a}, headers: {x-a: {exact: "1"}}}]
    timeout: 1.5s
    route: [{destination: {host: reviews, subset: v1}, weight: 100}]
"""
_MORE = b"""---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata:
  name: reviews
spec:
  host: reviews
  subsets:
  - &v1 {name: v1, labels: {version: v1}}
  - {<<: *v1, name: v2}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
"""
_LIST = b"""apiVersion: v1
kind: List
items:
- apiVersion: networking.istio.io/v1beta1
  kind: ServiceEntry
  metadata: {name: out}
  spec:
    hosts: [a.example]
    location: MESH_EXTERNAL
    resolution: DNS
    ports: [{number: 443, name: tls, protocol: TLS}]
"""
_GATEWAY = b"""apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: in, labels: {a: "b"}}
spec:
  selector: {istio: ingressgateway}
  servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]
"""

TARGET = Target(
    "documents",
    check,
    (_RULES, _MORE, _LIST, _GATEWAY),
    (
        b"\n", b"---\n", b"...\n", b"%YAML 1.1\n", b": ", b"- ", b"{", b"}", b"[", b"]", b"&a ", b"*a",
        b"<<: ", b"!!",
        b"!!binary ", b"!!timestamp ", b"!!set ", b"? ", b"|\n", b">-\n", b"'", b'"', b"#", b"\t", b"\0",
        b"\xc2\x85",
        b"\xef\xbb\xbf", b"\xff", b"null", b"~", b"yes", b".inf", b".nan", b"0x1f", b"0o7", b"1e400",
        b"1_000", b"-0",
        b"2001-01-01", b"9" * 400, b"name: ", b"spec:\n", b"  ", b"weight: ", b"exact: ", b"regex: ", b"[a-",
        b"\xf0\x9f\x98\x80", b"\\u0000", b'"\\ud800"', b"[" * 60, b"{a: " * 40,
    ),
    max_bytes=1500,
)  # fmt: skip
