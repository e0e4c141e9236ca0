"""What objects say of each other, over a whole snapshot. Pure; the order of documents plays no part."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product

from mesh.galley.api.base import ApiObject, given
from mesh.galley.api.destination_rule import WorkloadSelector
from mesh.galley.api.http_route import Destination
from mesh.galley.api.local_rate_limit import LocalRateLimit
from mesh.galley.api.peer_authentication import PeerAuthentication
from mesh.galley.api.virtual_service import MESH_GATEWAY, TcpRoute, TlsRoute, VirtualService, gateway_name
from mesh.galley.fault import Loc, ObjectKey, Problem, did_you_mean, quoted
from mesh.galley.snapshot import ConfigSnapshot
from mesh.model.names import fqdn

Labels = frozenset[tuple[str, str]]
Scope = tuple[str, Labels]  # a namespace, the labels of the workloads in it


@dataclass(frozen=True, slots=True)
class Finding:
    key: ObjectKey
    problem: Problem


def check_references(snapshot: ConfigSnapshot) -> tuple[Finding, ...]:
    """Missing subsets (errors), delegates, gateways, and hosts or workloads claimed twice (warnings)."""
    return (
        *_missing_subsets(snapshot),
        *_missing_checked_subsets(snapshot),
        *_missing_delegates(snapshot),
        *_missing_gateways(snapshot),
        *_missing_credentials(snapshot),
        *_contested_hosts(snapshot),
        *_contested_rules(snapshot),
        *_contested_policies(snapshot),
        *_contested_checks(snapshot),
        *_contested_limits(snapshot),
    )


def subsets_by_host(snapshot: ConfigSnapshot) -> dict[str, set[str]]:
    """The subsets of each host by its full name; several DestinationRules of one host add up."""
    subsets: dict[str, set[str]] = {}
    for rule in snapshot.destination_rules:
        names = subsets.setdefault(fqdn(rule.spec.host, rule.metadata.namespace), set())
        names.update(subset.name for subset in rule.spec.subsets)
    return subsets


def destinations(service: VirtualService) -> Iterator[tuple[Destination, Loc]]:
    """Every destination a VirtualService names, with its place."""
    spec = service.spec
    for index, rule in enumerate(spec.http):
        here: Loc = ("spec", "http", index)
        for number, route in enumerate(rule.route):
            yield route.destination, (*here, "route", number, "destination")
        if rule.mirror is not None:
            yield rule.mirror, (*here, "mirror")
        for number, mirror in enumerate(rule.mirrors):
            yield mirror.destination, (*here, "mirrors", number, "destination")
    l4_rules: list[tuple[TlsRoute | TcpRoute, Loc]] = []
    l4_rules += [(rule, ("spec", "tls", index)) for index, rule in enumerate(spec.tls)]
    l4_rules += [(rule, ("spec", "tcp", index)) for index, rule in enumerate(spec.tcp)]
    for l4_rule, here in l4_rules:
        for number, l4_route in enumerate(l4_rule.route):
            yield l4_route.destination, (*here, "route", number, "destination")


def _missing_subsets(snapshot: ConfigSnapshot) -> Iterator[Finding]:
    known = subsets_by_host(snapshot)
    for service in snapshot.virtual_services:
        for destination, loc in destinations(service):
            host = fqdn(destination.host, service.metadata.namespace)
            rule_host = _governing(host, known)
            if destination.subset and destination.subset not in known.get(rule_host, set()):
                message = _missing(destination.subset, rule_host, known)
                yield Finding(_key(service), Problem((*loc, "subset"), message))


def _missing_checked_subsets(snapshot: ConfigSnapshot) -> Iterator[Finding]:
    known = subsets_by_host(snapshot)
    for check in snapshot.health_checks:
        subset, host = check.spec.subset, fqdn(check.spec.host, check.metadata.namespace)
        rule_host = _governing(host, known)
        if subset is not None and subset not in known.get(rule_host, set()):
            yield Finding(_key(check), Problem(("spec", "subset"), _missing(subset, rule_host, known)))


def _missing_delegates(snapshot: ConfigSnapshot) -> Iterator[Finding]:
    """Rules whose delegate is not there serve nothing; delegates that nobody names are never in force."""
    delegates = {_names(one): one for one in snapshot.virtual_services if not one.spec.hosts}
    named: set[tuple[str, str]] = set()
    for service in snapshot.virtual_services:
        for index, rule in enumerate(service.spec.http):
            if rule.delegate is None:
                continue
            wanted = rule.delegate.namespace or service.metadata.namespace, rule.delegate.name
            named.add(wanted)
            if wanted not in delegates:
                message = f"missing delegate: no VirtualService {'/'.join(wanted)} without hosts"
                yield Finding(_key(service), Problem(("spec", "http", index, "delegate"), message, "warning"))
    for names, service in delegates.items():
        if names not in named:
            message = "no host, and no VirtualService delegates to it: it is not in force"
            yield Finding(_key(service), Problem(("spec",), message, "warning"))


def _missing_gateways(snapshot: ConfigSnapshot) -> Iterator[Finding]:
    """Istio's IST0101."""
    known = {f"{one.metadata.namespace}/{one.metadata.name}" for one in snapshot.gateways}
    for service in snapshot.virtual_services:
        for index, name in enumerate(service.spec.gateways):
            wanted = gateway_name(name, service.metadata.namespace)
            if wanted != MESH_GATEWAY and wanted not in known:
                message = f"missing Gateway {wanted}: no proxy follows it there{did_you_mean(wanted, known)}"
                yield Finding(_key(service), Problem(("spec", "gateways", index), message, "warning"))


def _missing_credentials(snapshot: ConfigSnapshot) -> Iterator[Finding]:
    """A credential is looked for beside the proxies that serve the Gateway, and they may be anywhere."""
    known = {secret.metadata.name for secret in snapshot.secrets}
    for gateway in snapshot.gateways:
        for index, server in enumerate(gateway.spec.servers):
            name = server.tls.credential_name if server.tls is not None else None
            if name and name not in known:
                hint = did_you_mean(name, known)
                message = f"missing Secret {quoted(name)}: these hosts are not served{hint}"
                loc: Loc = ("spec", "servers", index, "tls", "credentialName")
                yield Finding(_key(gateway), Problem(loc, message, "warning"))


def _names(service: VirtualService) -> tuple[str, str]:
    return service.metadata.namespace, service.metadata.name


def _governing(host: str, known: Iterable[str]) -> str:
    """The host of the rule in force: its own, else the longest wildcard ("*.local") that covers it."""
    if host in known:
        return host
    covering = [other for other in known if other.startswith("*") and host.endswith(other[1:])]
    return max(covering, key=len, default=host)


def _missing(subset: str, host: str, known: dict[str, set[str]]) -> str:
    if host not in known:
        return f"missing subset {quoted(subset)}: no DestinationRule is for {host}{_host_meant(host, known)}"
    names = sorted(known[host])
    there = f"{host} has {', '.join(names)}" if names else f"the DestinationRule of {host} has none"
    return f"missing subset {quoted(subset)}: {there}{did_you_mean(subset, names)}"


def _host_meant(host: str, known: Iterable[str]) -> str:
    """A hint among the hosts of the same domain: a long common ending says nothing."""
    short, _, domain = host.partition(".")
    return did_you_mean(short, [other.partition(".")[0] for other in known if other.endswith(f".{domain}")])


def _contested_hosts(snapshot: ConfigSnapshot) -> Iterator[Finding]:
    """Istio's IST0109: sidecars follow one VirtualService a host."""
    owners: dict[str, ObjectKey] = {}
    for service in snapshot.virtual_services:
        if not service.spec.in_mesh:
            continue
        for index, host in enumerate(service.spec.hosts):
            owner = owners.setdefault(fqdn(host, service.metadata.namespace), _key(service))
            if owner != _key(service):
                message = f"the host {quoted(host)} is also {owner}'s: one VirtualService a host is followed"
                yield Finding(_key(service), Problem(("spec", "hosts", index), message, "warning"))


def _contested_rules(snapshot: ConfigSnapshot) -> Iterator[Finding]:
    """Two rules for a host. Another ``workloadSelector`` or ``exportTo`` may well be for other callers."""
    owners: dict[tuple[str, Labels, frozenset[str]], ObjectKey] = {}
    for rule in snapshot.destination_rules:
        spec, key = rule.spec, _key(rule)
        host = fqdn(spec.host, rule.metadata.namespace)
        owner = owners.setdefault((host, _labels(spec.workload_selector), frozenset(spec.export_to)), key)
        if owner != key:
            message = f"the host {quoted(spec.host)} is also {owner}'s: their subsets add up"
            yield Finding(key, Problem(("spec", "host"), message, "warning"))


def _contested_policies(snapshot: ConfigSnapshot) -> Iterator[Finding]:
    """Two policies of one namespace, or of one set of workloads in it."""
    owners: dict[Scope, ObjectKey] = {}
    for policy in snapshot.peer_authentications:
        owner = owners.setdefault(_scope(policy), _key(policy))
        if owner != _key(policy):
            message = f"{owner} is for the same workloads: one policy of them is followed"
            yield Finding(_key(policy), Problem(("spec",), message, "warning"))


def _contested_checks(snapshot: ConfigSnapshot) -> Iterator[Finding]:
    """Two health checks of one namespace for the same endpoints."""
    owners: dict[tuple[str, str, str | None, int | None], ObjectKey] = {}
    for check in snapshot.health_checks:
        spec, namespace, key = check.spec, check.metadata.namespace, _key(check)
        host = fqdn(spec.host, namespace)
        before = (
            owners.setdefault((namespace, host, spec.subset, port), key) for port in spec.ports or (None,)
        )
        for owner in sorted(set(before) - {key}):
            message = f"{owner} is for the same endpoints: one check of them is followed"
            yield Finding(key, Problem(("spec", "host"), message, "warning"))


def _contested_limits(snapshot: ConfigSnapshot) -> Iterator[Finding]:
    """Two rate limits of one set of workloads for the same ports."""
    owners: dict[tuple[Scope, int | None, str], ObjectKey] = {}
    for limit in snapshot.local_rate_limits:
        scope, key = _scope(limit), _key(limit)
        parts = {"http", "tcp"}.intersection(given(limit.spec))
        taken = product([scope], limit.spec.ports or (None,), parts)
        for owner in sorted({owners.setdefault(one, key) for one in taken} - {key}):
            message = f"{owner} is for the same ports of these workloads: one limit of them is followed"
            yield Finding(key, Problem(("spec",), message, "warning"))


def _scope(config: PeerAuthentication | LocalRateLimit) -> Scope:
    return config.metadata.namespace, _labels(config.spec.selector)


def _labels(selector: WorkloadSelector | None) -> Labels:
    return frozenset(selector.match_labels.items() if selector is not None else ())


def _key(config: ApiObject) -> ObjectKey:
    return ObjectKey(config.kind, config.metadata.namespace, config.metadata.name)
