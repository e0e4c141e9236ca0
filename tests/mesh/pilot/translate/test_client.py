"""Workloads that no rule tells apart are one client, so that what is made for one is made for all."""

from __future__ import annotations

from collections.abc import Callable

from mesh.model.node import Node
from mesh.pilot.translate.client import Client, client_of
from mesh.pilot.world import World

RULE = """
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: a, namespace: NAMESPACE}
spec: {host: reviews, workloadSelector: {matchLabels: {app: reviews, version: v1}}}
"""


def test_labels_count_as_far_as_rules_ask_for_them(
    world: Callable[..., World], node: Callable[..., Node]
) -> None:
    workloads = [node("reviews-v1"), node("reviews-v2"), node("ratings-v1"), node("ratings-v3")]
    made = world(workloads, RULE.replace("NAMESPACE", "default"))
    assert [client_of(made, one) for one in workloads] == [
        Client("default", (("app", "reviews"), ("version", "v1"))),
        Client("default", (("app", "reviews"),)),
        Client("default", (("version", "v1"),)),
        Client("default"),
    ]
    [rule] = made.config.destination_rules
    assert [client_of(made, one).is_selected(rule) for one in workloads] == [True, False, False, False]


def test_another_namespaces_selectors_are_not_asked(
    world: Callable[..., World], node: Callable[..., Node]
) -> None:
    made = world((node(),), RULE.replace("NAMESPACE", "other"))
    [rule] = made.config.destination_rules
    assert client_of(made, node()) == Client("default")
    assert not client_of(made, node()).is_selected(rule)
