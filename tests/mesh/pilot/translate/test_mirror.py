"""Mirrors of a rule, in each of their spellings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mesh.model.node import Node
from mesh.model.route import Forward, Mirror
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.world import World

V2 = "outbound|9080|v2|reviews.default.svc.cluster.local"
DETAILS = "outbound|9080||details.default.svc.cluster.local"


def mirrors_of(world: Callable[..., World], node: Node, fields: str, annotations: str = "") -> Any:
    text = f"""
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: reviews, annotations: {{{annotations}}}}}
spec:
  hosts: [reviews]
  http: [{{route: [{{destination: {{host: reviews}}}}], {fields}}}]
"""
    (routing,) = assemble(world(text=text), node).routes
    actions = (route.action for host in routing.virtual_hosts for route in host.routes)
    (found,) = {each.mirrors for each in actions if isinstance(each, Forward) and each.mirrors} or {()}
    return found


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("mirror: {host: reviews, subset: v2}", (Mirror(V2),)),
        ("mirror: {host: details}, mirrorPercentage: {value: 12.5}", (Mirror(DETAILS, 12.5),)),
        ("mirror: {host: details}, mirrorPercent: 10", (Mirror(DETAILS, 10.0),)),
        ("mirror: {host: details}, mirrorPercentage: {value: 0}", ()),
        ("mirror: {host: details}, mirrorPercentage: {}", ()),
        (
            "mirrors: [{destination: {host: details}}, "
            "{destination: {host: reviews, subset: v2}, percentage: {value: 5}}]",
            (Mirror(DETAILS), Mirror(V2, 5.0)),
        ),
        ("timeout: 1s", ()),
    ],
)
def test_who_gets_a_copy_of_how_many(world: Any, node: Any, fields: str, expected: Any) -> None:
    assert mirrors_of(world, node("productpage-v1", 1), fields) == expected


def test_the_suffix_of_the_host_is_switched_off_by_annotation(world: Any, node: Any) -> None:
    annotation = 'mesh-labs.io/mirror-host-suffix: "false"'
    found = mirrors_of(world, node("productpage-v1", 1), "mirror: {host: details}", annotation)
    assert found == (Mirror(DETAILS, shadow_suffix=False),)
