"""Which DestinationRule policy is in force for a service's port and subset, for callers of one namespace.

Istio looks in the caller's namespace, then the service's, then the root namespace; in the first that has a
rule covering the host, the most specific host counts. Rules of one namespace for one host are merged: subsets
of all (of equal names the first), the first traffic policy there is. A subset's policy overrides the rule's
field by field; a port's policy replaces both, what it leaves out is default (not inherited).
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
from mesh.pilot.translate.hosts import in_full, most_specific
from mesh.pilot.translate.selection import ROOT_NAMESPACE


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


def rule_for(rules: Iterable[DestinationRule], service: Service, client_namespace: str) -> MergedRule:
    """The merged rule that callers of that namespace obey towards the service."""
    ordered = sorted(rules, key=lambda rule: (rule.metadata.namespace, rule.metadata.name))
    for namespace in (client_namespace, service.namespace, ROOT_NAMESPACE):
        here = [rule for rule in ordered if rule.metadata.namespace == namespace]
        found = most_specific(service.host, ((in_full(rule.spec.host, namespace), rule) for rule in here))
        if found:
            return _merge(found)
    return NO_RULE


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
