from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.translate.consistent import inconsistencies
from mesh.pilot.world import World


def whole(node: Callable[..., Node], world: Callable[..., World]) -> Resources:
    return assemble(world((node(),)), node())


def test_a_whole_configuration_waits_for_nothing(
    node: Callable[..., Node], world: Callable[..., World]
) -> None:
    assert inconsistencies(whole(node, world)) == ()


def test_everything_waited_for_is_named(node: Callable[..., Node], world: Callable[..., World]) -> None:
    lacking = replace(whole(node, world), routes=(), endpoints=())
    assert inconsistencies(lacking) == (
        "route configuration http_proxy: not sent",
        "load assignment outbound|9080||reviews.default.svc.cluster.local: not sent",
    )


def test_what_nobody_asks_for_or_comes_twice_is_named(
    node: Callable[..., Node], world: Callable[..., World]
) -> None:
    resources = whole(node, world)
    found = inconsistencies(replace(resources, listeners=(), clusters=resources.clusters * 2))
    assert "route configuration http_proxy: nobody asks for it" in found
    assert "cluster inbound|9080||: sent twice" in found
