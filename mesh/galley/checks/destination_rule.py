"""DestinationRule: its host, its subsets, the parts of a policy that must fit together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isqrt

from mesh.galley.api.annotations import OUTLIER_DETECTION, outlier_options
from mesh.galley.api.base import given
from mesh.galley.api.destination_rule import DestinationRule
from mesh.galley.api.traffic_policy import (
    ClientTls,
    LoadBalancer,
    OutlierDetection,
    PortTrafficPolicy,
    TrafficPolicy,
)
from mesh.galley.checks.annotations import check_annotations
from mesh.galley.checks.common import Problems, check_dns_label, check_export_to, check_host, check_labels
from mesh.galley.checks.locality import check_locality
from mesh.galley.fault import Loc, Problem, quoted

MAX_MAGLEV_TABLE_SIZE = 5000011
BASE_EJECTION_TIME_S = 30.0  # Envoy's and Istio's default
_COOKIE_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 6265 section 4.1.1
_COOKIE_PATH = re.compile(r"[ -:<-~]*")


def check_destination_rule(rule: DestinationRule) -> Problems:
    spec = rule.spec
    yield from check_annotations(rule.metadata, rule.kind)
    yield from _check_outlier_options(rule)
    yield from check_host(spec.host, ("spec", "host"), wildcard=True)
    if spec.traffic_policy is not None:
        yield from _check_policy(spec.traffic_policy, ("spec", "trafficPolicy"))
    home, exports = rule.metadata.namespace, ("spec", "exportTo")
    yield from check_export_to(spec.export_to, home, exports)
    if spec.workload_selector is not None:
        yield from check_labels(
            spec.workload_selector.match_labels, ("spec", "workloadSelector", "matchLabels")
        )
        if not {".", home}.issuperset(spec.export_to):
            yield Problem(exports, "expected no other namespace beside workloadSelector: it is for its own")
    names = [subset.name for subset in spec.subsets]
    for index, subset in enumerate(spec.subsets):
        at = ("spec", "subsets", index)
        yield from check_dns_label(subset.name, (*at, "name"))
        if subset.name in names[:index]:
            yield Problem((*at, "name"), f"the subset {quoted(subset.name)} stands twice")
        yield from check_labels(subset.labels, (*at, "labels"))
        if subset.traffic_policy is not None:
            whole = spec.traffic_policy
            inherits = whole is not None and whole.outlier_detection is not None
            yield from _check_policy(subset.traffic_policy, (*at, "trafficPolicy"), inherits)


def _check_policy(policy: TrafficPolicy, loc: Loc, inherits_outliers: bool = False) -> Problems:
    yield from _check_settings(policy, loc, inherits_outliers)
    seen: dict[int, int] = {}
    for index, settings in enumerate(policy.port_level_settings):
        at = (*loc, "portLevelSettings", index)
        yield from _check_settings(settings, at)
        first = seen.setdefault(settings.port.number, index)
        if first != index:
            message = f"the port {settings.port.number} stands twice (first in portLevelSettings[{first}])"
            yield Problem((*at, "port", "number"), message)


def _check_settings(
    policy: TrafficPolicy | PortTrafficPolicy, loc: Loc, inherits_outliers: bool = False
) -> Problems:
    if policy.tls is not None:
        yield from _check_tls(policy.tls, (*loc, "tls"))
    pool = policy.connection_pool
    if pool is not None and not given(pool):
        yield Problem((*loc, "connectionPool"), "expected tcp, http or both, got none")
    if policy.load_balancer is not None:
        yield from _check_balancer(policy.load_balancer, (*loc, "loadBalancer"))
        setting = policy.load_balancer.locality_lb_setting
        if setting is not None:
            at: Loc = (*loc, "loadBalancer", "localityLbSetting")
            outliers = policy.outlier_detection is not None or inherits_outliers
            yield from check_locality(setting, at, finds_outliers=outliers)
    if policy.outlier_detection is not None:
        yield from _check_outlier(policy.outlier_detection, (*loc, "outlierDetection"))


def _check_outlier(outlier: OutlierDetection, loc: Loc) -> Problems:
    if outlier.consecutive_local_origin_failures and not outlier.split_external_local_origin_errors:
        at: Loc = (*loc, "consecutiveLocalOriginFailures")
        yield Problem(at, "expected splitExternalLocalOriginErrors: true beside it")
    if outlier.consecutive_errors is not None:
        message = "means nothing any more, as in Istio: consecutive5xxErrors or consecutiveGatewayErrors do"
        yield Problem((*loc, "consecutiveErrors"), message, "warning")


def _check_outlier_options(rule: DestinationRule) -> Problems:
    """The annotation adds to ``outlierDetection``; Envoy wants no limit below the base."""
    try:
        options = outlier_options(rule.metadata.annotations)
    except ValueError:
        return  # said by check_annotations
    if options is None:
        return
    loc: Loc = ("metadata", "annotations", OUTLIER_DETECTION)
    found = list(_outlier_detections(rule))
    if not found:
        yield Problem(loc, "expected outlierDetection in a traffic policy of this rule, got none")
    longest = dict(options.ejection).get("max_ejection_time_s")
    for outlier in found:
        base = outlier.base_ejection_time or BASE_EJECTION_TIME_S
        if longest is not None and longest < base:
            message = f"max-time: expected at least the baseEjectionTime of {base:g}s, got {longest:g}s"
            yield Problem(loc, message)


def _outlier_detections(rule: DestinationRule) -> Iterator[OutlierDetection]:
    policies = [rule.spec.traffic_policy, *(subset.traffic_policy for subset in rule.spec.subsets)]
    for policy in policies:
        if policy is not None:
            of_ports = (port.outlier_detection for port in policy.port_level_settings)
            yield from (found for found in (policy.outlier_detection, *of_ports) if found is not None)


def _check_balancer(balancer: LoadBalancer, loc: Loc) -> Problems:
    warmup = balancer.warmup
    if warmup is not None and warmup.aggression is not None and warmup.aggression <= 0:
        message = f"expected more than 0, got {warmup.aggression:g}"
        yield Problem((*loc, "warmup", "aggression"), message)
    hashing = balancer.consistent_hash
    for name, said in (("warmup", warmup), ("warmupDurationSecs", balancer.warmup_duration_secs)):
        if said is not None and (hashing is not None or balancer.simple in ("RANDOM", "PASSTHROUGH")):
            message = "means something with ROUND_ROBIN and LEAST_REQUEST only, as in Istio"
            yield Problem((*loc, name), message, "warning")
    if hashing is None:
        return
    at = (*loc, "consistentHash")
    cookie = hashing.http_cookie
    if cookie is not None and not _COOKIE_NAME.fullmatch(cookie.name):
        yield Problem((*at, "httpCookie", "name"), f"expected a cookie's name, got {quoted(cookie.name)}")
    if cookie is not None and not _COOKIE_PATH.fullmatch(cookie.path):
        yield Problem((*at, "httpCookie", "path"), f"expected a path, got {quoted(cookie.path)}")
    if hashing.maglev is not None and not _is_table_size(hashing.maglev.table_size):
        message = f"expected a prime up to {MAX_MAGLEV_TABLE_SIZE}, got {hashing.maglev.table_size}"
        yield Problem((*at, "maglev", "tableSize"), message)


def _is_table_size(size: int) -> bool:
    """Envoy's rule: only in a table of prime size does each endpoint's permutation reach every place."""
    return 2 <= size <= MAX_MAGLEV_TABLE_SIZE and all(size % i for i in range(2, isqrt(size) + 1))


def _check_tls(tls: ClientTls, loc: Loc) -> Problems:
    """The certificates a mode needs, and those it makes itself (Istio's rules)."""
    files = [name for name in ("clientCertificate", "privateKey", "caCertificates") if name in given(tls)]
    if tls.mode == "MUTUAL" and not tls.credential_name:
        for name in ("clientCertificate", "privateKey"):
            if name not in files:
                yield Problem(loc, f"expected {name} (or credentialName) with mode MUTUAL")
    if tls.credential_name:
        for name in files:
            yield Problem((*loc, name), f"expected no {name}: credentialName holds the certificates")
    if tls.insecure_skip_verify:
        for name in ("caCertificates", "subjectAltNames"):
            if name in given(tls):
                yield Problem((*loc, name), f"expected no {name}: insecureSkipVerify verifies nothing")
    if tls.mode == "ISTIO_MUTUAL":
        for name in files:
            yield Problem((*loc, name), f"expected no {name}: with ISTIO_MUTUAL the mesh issues certificates")
