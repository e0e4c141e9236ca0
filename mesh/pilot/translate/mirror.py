"""Mirrors of a rule. A percentage that is left out is 100 here (for faults it is 0); 0 % is no mirror."""

from __future__ import annotations

from collections.abc import Iterator

from mesh.galley.api.http_route import Destination, HttpRoute
from mesh.model.route import Mirror
from mesh.pilot.translate.destination import Target, cluster_of
from mesh.pilot.world import World


def mirrors(
    world: World, target: Target, namespace: str, rule: HttpRoute, host_suffix: bool
) -> tuple[Mirror, ...]:
    """``mirrors``, or the old single ``mirror``; galley refuses both at once."""
    return tuple(
        Mirror(cluster_of(world, target, namespace, destination), share, host_suffix)
        for destination, share in _wanted(rule)
        if share
    )


def _wanted(rule: HttpRoute) -> Iterator[tuple[Destination, float]]:
    if rule.mirror is not None:
        yield rule.mirror, _share_of_single(rule)
    for mirror in rule.mirrors:
        yield mirror.destination, 100.0 if mirror.percentage is None else mirror.percentage.value


def _share_of_single(rule: HttpRoute) -> float:
    """``mirrorPercentage`` goes before its old spelling ``mirrorPercent``."""
    if rule.mirror_percentage is not None:
        return rule.mirror_percentage.value
    return 100.0 if rule.mirror_percent is None else float(rule.mirror_percent)
