"""What the models of the API say of themselves, read from YAML as users write it."""

from __future__ import annotations

from mesh.galley.api.base import ApiObject
from mesh.galley.api.destination_rule import DestinationRule
from mesh.galley.api.peer_authentication import PeerAuthentication
from mesh.galley.api.service import Service
from mesh.galley.api.virtual_service import VirtualService
from mesh.galley.parse import parse


def read(kind: str, spec: str) -> ApiObject:
    group = {"Service": "v1", "PeerAuthentication": "security.istio.io/v1"}.get(
        kind, "networking.istio.io/v1"
    )
    text = f"apiVersion: {group}\nkind: {kind}\nmetadata: {{name: a}}\nspec: {spec}\n"
    parsed = parse(text, "a.yaml")
    assert not parsed.faults, parsed.faults
    [candidate] = parsed.candidates.values()
    return candidate.config


def read_rule(rule: str) -> VirtualService:
    found = read("VirtualService", f"{{hosts: [a], http: [{rule}]}}")
    assert isinstance(found, VirtualService)
    return found


def test_a_match_knows_its_kind_and_value():
    rule = read_rule(
        "{match: [{uri: {prefix: /x}, headers: {a: {regex: a.*}, b: {regex: '*'}, c: {}}}], "
        "route: [{destination: {host: a}}]}"
    )
    [match] = rule.spec.http[0].match
    assert match.uri is not None
    assert (match.uri.kind, match.uri.value) == ("prefix", "/x")
    assert [each.is_presence for each in match.headers.values()] == [False, True, True]
    assert (match.headers["a"].kind, match.headers["a"].value) == ("regex", "a.*")


def test_an_empty_exact_text_is_still_a_match():
    rule = read_rule("{match: [{headers: {a: {exact: ''}}}], route: [{destination: {host: a}}]}")
    match = rule.spec.http[0].match[0].headers["a"]
    assert (match.is_presence, match.kind, match.value) == (False, "exact", "")


def test_a_fault_without_percentage_hits_nobody():
    rule = read_rule(
        "{fault: {delay: {fixedDelay: 7s}, abort: {httpStatus: 500, percentage: {value: 0.1}}}, "
        "route: [{destination: {host: a}}]}"
    )
    fault = rule.spec.http[0].fault
    assert fault is not None
    assert fault.delay is not None
    assert fault.abort is not None
    assert (fault.delay.share, fault.delay.fixed_delay, fault.abort.share) == (0.0, 7.0, 0.1)


def test_a_service_bound_to_gateways_only_is_not_in_the_mesh():
    def in_mesh(gateways: str) -> bool:
        found = read(
            "VirtualService",
            f"{{hosts: [a], gateways: {gateways}, http: [{{route: [{{destination: {{host: a}}}}]}}]}}",
        )
        assert isinstance(found, VirtualService)
        return found.spec.in_mesh

    assert [in_mesh(text) for text in ("[]", "[mesh]", "[edge, mesh]", "[edge]")] == [True, True, True, False]


def test_every_supported_part_of_a_traffic_policy_is_read():
    rule = read(
        "DestinationRule",
        """
  host: a
  trafficPolicy:
    loadBalancer: {simple: ROUND_ROBIN}
    connectionPool:
      tcp: {maxConnections: 100, connectTimeout: 30ms}
      http:
        http1MaxPendingRequests: 1
        http2MaxRequests: 2
        maxRequestsPerConnection: 3
        maxRetries: 4
        idleTimeout: 5s
    tls: {mode: ISTIO_MUTUAL}
    outlierDetection: {consecutive5xxErrors: 7, interval: 5m, baseEjectionTime: 15m, maxEjectionPercent: 10}
    portLevelSettings:
    - port: {number: 9080}
      tls: {mode: DISABLE}
""",
    )
    assert isinstance(rule, DestinationRule)
    policy = rule.spec.traffic_policy
    assert policy is not None
    assert policy.connection_pool is not None
    assert policy.connection_pool.tcp is not None
    assert policy.connection_pool.http is not None
    assert policy.connection_pool.tcp.connect_timeout == 0.03
    assert policy.connection_pool.http.max_retries == 4
    assert policy.outlier_detection is not None
    assert policy.outlier_detection.consecutive_5xx_errors == 7
    assert policy.port_level_settings[0].tls is not None
    assert policy.port_level_settings[0].tls.mode == "DISABLE"


def test_ports_are_numbers_also_as_keys():
    policy = read(
        "PeerAuthentication",
        "{selector: {matchLabels: {app: a}}, portLevelMtls: {9080: {mode: DISABLE}, '80': {}}}",
    )
    assert isinstance(policy, PeerAuthentication)
    modes = {port: mtls.mode for port, mtls in policy.spec.port_level_mtls.items()}
    assert modes == {9080: "DISABLE", 80: "UNSET"}


def test_a_services_target_port_is_a_number_or_a_name():
    service = read(
        "Service",
        "{ports: [{port: 80, targetPort: 9080, name: a}, {port: 81, targetPort: http, name: b}]}",
    )
    assert isinstance(service, Service)
    assert [port.target_port for port in service.spec.ports] == [9080, "http"]


def test_a_policy_may_have_no_spec():
    text = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n"
    assert not parse(text, "a.yaml").faults
