"""Which DestinationRule policy is in force for a service's port and subset, for callers of one namespace.

Istio looks in the caller's namespace, then the service's, then the root namespace; in the first that has a
rule covering the host, the most specific host counts. ``exportTo`` keeps rules from callers of other
namespaces, and a ``workloadSelector`` from all but the workloads of its own that it selects. Rules of one
namespace for one host are merged, those of the first selector before the others: subsets of all (of equal
names the first), the first traffic policy there is. (Istio goes by age, which files do not have.) A subset's
policy overrides the rule's field by field; a port's policy replaces both, what it leaves out is default (not
inherited).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mesh.galley.api.annotations import outlier_options
from mesh.galley.api.destination_rule import DestinationRule, Subset
from mesh.galley.api.outlier_options import OutlierOptions
from mesh.galley.api.traffic_policy import (
    ClientTls,
    ConnectionPool,
    LoadBalancer,
    OutlierDetection,
    RetryBudget,
    TrafficPolicy,
)
from mesh.pilot.services import Service
from mesh.pilot.translate.client import Client
from mesh.pilot.translate.hosts import in_full, most_specific
from mesh.pilot.translate.selection import ROOT_NAMESPACE
from mesh.pilot.visibility import is_exported


@dataclass(frozen=True, slots=True)
class Policy:
    """What applies to one cluster; None: nothing said."""

    load_balancer: LoadBalancer | None = None
    connection_pool: ConnectionPool | None = None
    tls: ClientTls | None = None
    outlier_detection: OutlierDetection | None = None
    retry_budget: RetryBudget | None = None
    outlier_options: OutlierOptions | None = None


@dataclass(frozen=True, slots=True)
class MergedRule:
    """The rules of one host as one. ``config`` names the first of them, for tables and explanations."""

    config: str = ""
    traffic_policy: TrafficPolicy | None = None
    subsets: tuple[Subset, ...] = ()
    outlier_options: OutlierOptions | None = None  # the first that one of them has


NO_RULE = MergedRule()


def lookup_order(client: Client, service: Service) -> tuple[str, ...]:
    """The namespaces that rules are looked for in. The root's are for everybody: its own workloads, too, get
    them last."""
    own = () if client.namespace == ROOT_NAMESPACE else (client.namespace,)
    return (*own, service.namespace, ROOT_NAMESPACE)


def rule_for(rules: Iterable[DestinationRule], service: Service, client: Client) -> MergedRule:
    """The merged rule that such callers obey towards the service."""
    ordered = sorted(rules, key=lambda rule: (rule.metadata.namespace, rule.metadata.name))
    for namespace in lookup_order(client, service):
        here = [rule for rule in ordered if rule.metadata.namespace == namespace and _obeys(client, rule)]
        found = most_specific(service.host, ((in_full(rule.spec.host, namespace), rule) for rule in here))
        if found:
            return _merge(_own_first(found))
    return NO_RULE


def _obeys(client: Client, rule: DestinationRule) -> bool:
    """Callers obey all rules of their own namespace, wherever else these are exported to."""
    spec, home = rule.spec, rule.metadata.namespace
    if spec.workload_selector is not None:
        return client.is_selected(rule)
    return home == client.namespace or is_exported(spec.export_to, home, client.namespace)


def _own_first(rules: list[DestinationRule]) -> list[DestinationRule]:
    """Those of the first selector, then those without one."""
    selectors = [rule.spec.workload_selector for rule in rules]
    first = next((selector for selector in selectors if selector is not None), None)
    own = [rule for rule in rules if rule.spec.workload_selector is not None]
    return [
        *(rule for rule in own if rule.spec.workload_selector == first),
        *(rule for rule in rules if rule.spec.workload_selector is None),
    ]


def policy_for(rule: MergedRule, subset: Subset | None, port: int) -> Policy:
    """The policy of the cluster for that port and subset (None: the whole service)."""
    policy = _override(Policy(outlier_options=rule.outlier_options), rule.traffic_policy, port)
    return _override(policy, subset.traffic_policy if subset is not None else None, port)


def _merge(rules: list[DestinationRule]) -> MergedRule:
    subsets: dict[str, Subset] = {}
    for rule in rules:
        for subset in rule.spec.subsets:
            subsets.setdefault(subset.name, subset)
    policies = (rule.spec.traffic_policy for rule in rules)
    said = (outlier_options(rule.metadata.annotations) for rule in rules)
    first = rules[0].metadata
    return MergedRule(
        f"destination-rule/{first.namespace}/{first.name}",
        next((policy for policy in policies if policy is not None), None),
        tuple(subsets[name] for name in sorted(subsets)),
        next((options for options in said if options is not None), None),
    )


def _override(base: Policy, policy: TrafficPolicy | None, port: int) -> Policy:
    if policy is None:
        return base
    for level in policy.port_level_settings:
        if level.port.number == port:
            return Policy(
                level.load_balancer,
                level.connection_pool,
                level.tls,
                level.outlier_detection,
                policy.retry_budget or base.retry_budget,  # ports have none of their own
                base.outlier_options,
            )
    return Policy(
        policy.load_balancer or base.load_balancer,
        policy.connection_pool or base.connection_pool,
        policy.tls or base.tls,
        policy.outlier_detection or base.outlier_detection,
        policy.retry_budget or base.retry_budget,
        base.outlier_options,
    )
