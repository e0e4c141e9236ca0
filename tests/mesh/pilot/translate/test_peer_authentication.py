"""Which PeerAuthentication is in force: narrowest first, Istio's table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mesh.model.node import Node
from mesh.pilot.translate.peer_authentication import mtls_mode

MakeNode = Callable[..., Node]
MakeConfig = Callable[[str], Any]


def policy(mode: str, namespace: str = "default", name: str = "default", rest: str = "") -> str:
    return f"""
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{mtls: {{mode: {mode}}}{rest}}}
"""


MESH = policy("STRICT", "istio-system")
NAMESPACE = policy("DISABLE")
WORKLOAD = policy("PERMISSIVE", name="reviews", rest=", selector: {matchLabels: {app: reviews}}")
UNSET = policy("UNSET", name="reviews", rest=", selector: {matchLabels: {app: reviews}}")
OTHERS = policy("STRICT", name="ratings", rest=", selector: {matchLabels: {app: ratings}}")
ROOT_SELECTOR = policy("STRICT", "istio-system", "one", rest=", selector: {matchLabels: {app: reviews}}")
ELSEWHERE = policy("STRICT", "other")


@pytest.mark.parametrize(
    ("policies", "mode"),
    [
        ("", "PERMISSIVE"),
        (MESH, "STRICT"),
        (MESH + NAMESPACE, "DISABLE"),
        (MESH + NAMESPACE + WORKLOAD, "PERMISSIVE"),
        (MESH + UNSET, "STRICT"),
        (MESH + NAMESPACE + UNSET, "DISABLE"),
        (OTHERS, "PERMISSIVE"),
        (ELSEWHERE, "PERMISSIVE"),
        (ROOT_SELECTOR, "PERMISSIVE"),
    ],
)
def test_the_narrowest_policy_that_says_something_wins(
    node: MakeNode, config: MakeConfig, policies: str, mode: str
) -> None:
    assert mtls_mode(config(policies).peer_authentications, node()) == mode


PORTS = """, selector: {matchLabels: {app: reviews}},
  portLevelMtls: {"9080": {mode: DISABLE}, "81": {mode: UNSET}}"""


def test_a_port_may_differ_from_its_workload(node: MakeNode, config: MakeConfig) -> None:
    policies = config(policy("STRICT", rest=PORTS)).peer_authentications
    assert [mtls_mode(policies, node(), port) for port in (9080, 81, None)] == ["DISABLE", "STRICT", "STRICT"]


def test_of_two_policies_for_one_workload_the_first_by_name_counts(
    node: MakeNode, config: MakeConfig
) -> None:
    selector = ", selector: {matchLabels: {app: reviews}}"
    policies = policy("STRICT", name="b", rest=selector) + policy("DISABLE", name="a", rest=selector)
    assert mtls_mode(config(policies).peer_authentications, node()) == "DISABLE"
