"""Locality: which endpoints are near a proxy, as priorities (0 first; the next when too few are healthy).

As in Istio this needs outlierDetection, which finds out that the near ones are not healthy, and a proxy that
has a region. Where a workload is stands in its labels (Kubernetes' and Istio's topology labels).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from mesh.galley.api.traffic_policy import LocalityLb
from mesh.model.endpoint import Endpoint, Locality, LocalityEndpoints
from mesh.model.node import Node
from mesh.pilot.translate.destination_rule import Policy

_REGION, _ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
_SUB_ZONE = "topology.istio.io/subzone"
_ONE_LABEL = "istio-locality"  # region.zone.subzone in one


def locality_of(labels: Mapping[str, str]) -> Locality:
    """Where the labels say a workload is; the single label counts before the others."""
    if _ONE_LABEL in labels:
        region, _, rest = labels[_ONE_LABEL].partition(".")
        zone, _, sub_zone = rest.partition(".")
        return Locality(region, zone, sub_zone)
    return Locality(labels.get(_REGION, ""), labels.get(_ZONE, ""), labels.get(_SUB_ZONE, ""))


def is_prioritized(policy: Policy) -> bool:
    """Whether the endpoints of a cluster with this policy are told near from far."""
    setting = policy.load_balancer.locality_lb_setting if policy.load_balancer is not None else None
    enabled = setting is None or setting.enabled is not False
    return policy.outlier_detection is not None and enabled


def by_locality(
    client: Node, policy: Policy, found: list[tuple[Node, Endpoint]]
) -> tuple[LocalityEndpoints, ...]:
    """The endpoints in their localities, by priority as that client sees them; priorities have no gaps."""
    here = locality_of(client.labels)
    setting = (policy.load_balancer.locality_lb_setting if policy.load_balancer else None) or LocalityLb()
    placed: list[tuple[int, Locality, Endpoint]] = []
    for node, endpoint in found:
        there, priority = locality_of(node.labels), 0
        if is_prioritized(policy):
            priority = _priority(client, node, here, there, setting)
        placed.append((priority, there, endpoint))
    placed.sort(key=lambda one: (one[0], one[1].region, one[1].zone, one[1].sub_zone))
    ranks = {priority: rank for rank, priority in enumerate(sorted({one[0] for one in placed}))}
    return tuple(
        LocalityEndpoints(tuple(endpoint for _, _, endpoint in group), there, priority=ranks[priority])
        for (priority, there), group in groupby(placed, key=lambda one: (one[0], one[1]))
    )


def _priority(client: Node, node: Node, here: Locality, there: Locality, setting: LocalityLb) -> int:
    if setting.failover_priority:
        return _by_labels(client, node, setting.failover_priority)
    if not here.region:
        return 0
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


def _by_labels(client: Node, node: Node, priorities: tuple[str, ...]) -> int:
    """The labels from the first that differs on; "key" means the client's value, or it is "key=value"."""
    for place, priority in enumerate(priorities):
        key, told, value = priority.partition("=")
        if node.labels.get(key) != (value if told else client.labels.get(key)):
            return len(priorities) - place
    return 0
