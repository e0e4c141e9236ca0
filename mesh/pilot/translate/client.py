"""The callers' side of a workload: all of it that its clusters, and the policies of them, depend on."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.galley.api.destination_rule import DestinationRule
from mesh.model.node import Node
from mesh.pilot.world import World


@dataclass(frozen=True, slots=True)
class Client:
    """Equal for all workloads of a namespace, but for the ``labels`` by which its rules tell them apart."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()

    def is_selected(self, rule: DestinationRule) -> bool:
        """Whether the rule picks out such workloads: a selector does not look beyond its namespace."""
        selector = rule.spec.workload_selector
        return (
            selector is not None
            and rule.metadata.namespace == self.namespace
            and set(selector.match_labels.items()) <= set(self.labels)
        )


def client_of(world: World, node: Node) -> Client:
    asked = world.shared(("selector labels", node.namespace), lambda: _asked_labels(world, node.namespace))
    return Client(node.namespace, tuple(label for label in asked if node.labels.get(label[0]) == label[1]))


def _asked_labels(world: World, namespace: str) -> tuple[tuple[str, str], ...]:
    asked: set[tuple[str, str]] = set()
    for rule in world.config.destination_rules:
        selector = rule.spec.workload_selector
        if selector is not None and rule.metadata.namespace == namespace:
            asked.update(selector.match_labels.items())
    return tuple(sorted(asked))
