"""Locality: which endpoints are near a proxy, and what share of its traffic each place takes.

Two ways, as in Istio: by priority (0 first; the next when too few are healthy), which needs outlierDetection
to find out that the near ones are not healthy, and a proxy that has a region; or by the weights of
``distribute``, which name the places a region's traffic goes to and leave out the others. Where a workload is
stands in its labels (Kubernetes' and Istio's topology labels), a ServiceEntry's endpoint says it.
Source: Istio's ``loadbalancer.go``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby

from mesh.galley.api.traffic_policy import LocalityLb
from mesh.model.endpoint import Endpoint, Locality, LocalityEndpoints
from mesh.model.node import Node
from mesh.pilot.translate.destination_rule import Policy

_REGION, _ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
_SUB_ZONE = "topology.istio.io/subzone"
_ONE_LABEL = "istio-locality"  # region.zone.subzone in one


@dataclass(frozen=True, slots=True)
class Placed:
    """An endpoint, where it is, and the labels that ``failoverPriority`` looks at."""

    endpoint: Endpoint
    locality: Locality
    labels: Mapping[str, str]


def locality_of(labels: Mapping[str, str]) -> Locality:
    """Where the labels say a workload is; the single label counts before the others."""
    if _ONE_LABEL in labels:
        region, _, rest = labels[_ONE_LABEL].partition(".")
        zone, _, sub_zone = rest.partition(".")
        return Locality(region, zone, sub_zone)
    return Locality(labels.get(_REGION, ""), labels.get(_ZONE, ""), labels.get(_SUB_ZONE, ""))


def setting_of(policy: Policy) -> LocalityLb | None:
    """What the policy says of localities; None: it has switched them off. Istio's default is on."""
    setting = policy.load_balancer.locality_lb_setting if policy.load_balancer is not None else None
    setting = setting or LocalityLb()
    return None if setting.enabled is False else setting


def is_relative(policy: Policy) -> bool:
    """Whether the endpoints of a cluster with this policy look different from different places."""
    setting = setting_of(policy)
    return setting is not None and (policy.outlier_detection is not None or bool(setting.distribute))


def by_locality(client: Node, policy: Policy, found: Iterable[Placed]) -> tuple[LocalityEndpoints, ...]:
    """The endpoints in their localities as that client sees them; priorities have no gaps."""
    setting, here = setting_of(policy), locality_of(client.labels)
    if setting is None or not is_relative(policy):
        return grouped(found)
    if not setting.distribute:
        return grouped(found, lambda one: _priority(client, one, here, setting))
    groups = grouped(found)
    for rule in setting.distribute:
        if _matches(here, rule.from_):
            return _distributed(groups, rule.to)
    return groups


def grouped(
    found: Iterable[Placed], priority_of: Callable[[Placed], int] = lambda _: 0
) -> tuple[LocalityEndpoints, ...]:
    """By priority and locality; a locality weighs as much as its endpoints."""
    ranked = [(priority_of(one), one) for one in found]
    ranked.sort(key=lambda each: (each[0], *_parts(each[1].locality)))
    ranks = {priority: rank for rank, priority in enumerate(sorted({priority for priority, _ in ranked}))}
    made: list[LocalityEndpoints] = []
    for (priority, there), group in groupby(ranked, key=lambda each: (each[0], each[1].locality)):
        endpoints = tuple(one.endpoint for _, one in group)
        weight = sum(endpoint.weight for endpoint in endpoints)
        made.append(LocalityEndpoints(endpoints, there, weight, ranks[priority]))
    return tuple(made)


def _parts(locality: Locality) -> tuple[str, str, str]:
    return locality.region, locality.zone, locality.sub_zone


def _distributed(
    groups: tuple[LocalityEndpoints, ...], to: Mapping[str, int]
) -> tuple[LocalityEndpoints, ...]:
    """Several localities of one pattern share its weight by their endpoints; those of none are left out."""
    weights: dict[int, int] = {}
    for pattern, share in to.items():
        named = [
            (place, group)
            for place, group in enumerate(groups)
            if place not in weights and _matches(group.locality, pattern)
        ]
        whole = sum(group.weight for _, group in named)
        weights |= {place: -(-group.weight * share // whole) for place, group in named}
    return tuple(replace(groups[place], weight=weights[place]) for place in sorted(weights))


def _matches(locality: Locality, pattern: str) -> bool:
    """``region/zone/sub-zone``, where "*" or nothing is any."""
    region, _, rest = pattern.partition("/")
    zone, _, sub_zone = rest.partition("/")
    wanted = (region, zone or "*", sub_zone or "*")
    return all(want in ("*", part) for want, part in zip(wanted, _parts(locality), strict=True))


def _priority(client: Node, one: Placed, here: Locality, setting: LocalityLb) -> int:
    if setting.failover_priority:
        return _by_labels(client, one.labels, setting.failover_priority)
    if not here.region:
        return 0
    there = one.locality
    distance = _distance(here, there)
    if distance < _OTHER_REGION or not setting.failover:
        return distance
    wanted = any(one.from_ == here.region and one.to == there.region for one in setting.failover)
    return distance if wanted else distance + 1


_OTHER_REGION = 3


def _distance(here: Locality, there: Locality) -> int:
    if here.region != there.region:
        return _OTHER_REGION
    if here.zone != there.zone:
        return 2
    return 1 if here.sub_zone != there.sub_zone else 0


def _by_labels(client: Node, labels: Mapping[str, str], priorities: tuple[str, ...]) -> int:
    """The labels from the first that differs on; "key" means the client's value, or it is "key=value"."""
    for place, priority in enumerate(priorities):
        key, told, value = priority.partition("=")
        if labels.get(key) != (value if told else client.labels.get(key)):
            return len(priorities) - place
    return 0
