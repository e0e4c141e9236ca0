from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mesh.model.identity import SpiffeId
from mesh.model.node import Node, ServicePort
from mesh.pilot.admission import check_node
from mesh.xds.errors import Refused

MakeNode = Callable[..., Node]


def test_a_node_of_the_proven_identity_may_join(node: MakeNode) -> None:
    check_node(node(), node().spiffe_id)
    check_node(node("curl", service="", ports=()), None)


@pytest.mark.parametrize("proven", [SpiffeId("default", "evil"), SpiffeId("other", "bookinfo-reviews")])
def test_a_node_of_another_identity_may_not(node: MakeNode, proven: SpiffeId) -> None:
    with pytest.raises(Refused, match=f"its token is for {proven}$"):
        check_node(node(), proven)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"service": "*"}, "SERVICE.name: expected at most 63 letters"),
        ({"service": "a|b"}, "SERVICE.name"),
        ({"service": "a.b"}, "SERVICE.name"),
        ({"namespace": "a.b"}, "NAMESPACE"),
        ({"name": "a b"}, "NAME"),
        ({"workload": "a;b", "service": "", "name": "x"}, "WORKLOAD_NAME"),
        ({"address": "reviews"}, "INSTANCE_IPS: expected an IP address, got 'reviews'"),
        ({"app_address": ""}, "APP_ADDRESS"),
        (
            {"outbound_addresses": {"db": "there"}},
            "OUTBOUND_ADDRESSES: db: expected an IP address, got 'there'",
        ),
        ({"ports": (ServicePort("http", 0, 80),)}, "SERVICE.ports 'http': number: expected 1..65535, got 0"),
        ({"ports": (ServicePort("http", 80, 70000),)}, "targetPort"),
    ],
)
def test_what_would_spoil_the_others_configuration_is_refused(
    node: MakeNode, changes: dict[str, Any], fault: str
) -> None:
    with pytest.raises(Refused, match=fault.replace("*", r"\*")):
        check_node(node(**changes), None)
