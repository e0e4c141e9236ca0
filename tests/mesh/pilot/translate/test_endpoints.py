from __future__ import annotations

from collections.abc import Callable

import pytest

from mesh.model.endpoint import Endpoint
from mesh.model.node import Node
from mesh.pilot.translate.clusters import clusters
from mesh.pilot.translate.endpoints import endpoints
from mesh.pilot.world import World

MakeNode = Callable[..., Node]
MakeWorld = Callable[..., World]

SUBSETS = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, subsets: [{name: v2, labels: {version: v2}}, {name: v9, labels: {version: v9}}]}
"""


def by_subset(world: World, node: Node) -> dict[str, list[Endpoint]]:
    return {
        found.cluster_name.split("|")[2]: [one for part in found.localities for one in part.endpoints]
        for found in endpoints(world, node, clusters(world, node))
    }


def test_a_subset_is_the_workloads_with_its_labels(world: MakeWorld, node: MakeNode) -> None:
    found = by_subset(world((node("reviews-v1", 1), node("reviews-v2", 2)), SUBSETS), node())
    assert [one.address for one in found[""]] == ["127.70.1.2", "127.70.2.2"]
    assert found["v2"] == [Endpoint("127.70.2.2", 9080, True, "reviews-v2;default;reviews;v2;Kubernetes")]
    assert found["v9"] == [], "a cluster without endpoints is told so, else its proxy would wait"


@pytest.mark.parametrize(("mode", "mtls"), [("STRICT", True), ("PERMISSIVE", True), ("DISABLE", False)])
def test_endpoints_say_whether_they_take_mtls(
    world: MakeWorld, node: MakeNode, mode: str, mtls: bool
) -> None:
    text = f"""
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default}}
spec: {{mtls: {{mode: {mode}}}}}
"""
    (endpoint,) = by_subset(world((node(),), text), node())[""]
    assert endpoint.mtls is mtls
