from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.pilot.debounce import Debounce
from mesh.pilot.metrics import PilotMetrics
from mesh.pilot.push import Pusher
from mesh.pilot.world import World
from mesh.xds.errors import Rejected
from mesh.xds.source import TypeStatus


class Proxy:
    def __init__(self, node: Node, fault: str = "") -> None:
        self.node = node
        self.acked_generation: int | None = None
        self.fault = fault
        self.pushed: list[int] = []

    def push(self, resources: Resources, generation: int) -> None:
        if self.fault:
            raise Rejected(self.fault)
        self.pushed.append(generation)

    def status(self) -> Mapping[str, TypeStatus]:
        return {}


async def test_a_fault_with_one_proxy_keeps_nobody_else_waiting(
    node: Callable[..., Node], world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    bad, good = Proxy(node("reviews-v1", 1), "cannot encode"), Proxy(node("reviews-v2", 2))
    registry = CollectorRegistry()
    told: list[int] = []
    pusher = Pusher(
        {"bad": bad, "good": good},
        lambda: world((bad.node, good.node)),
        lambda: told.append(1),
        PilotMetrics(registry, "test"),
        Debounce(),
        generation=7,
    )
    pusher.change("config")
    pusher.flush()
    assert good.pushed == [8]
    assert dict(pusher.faults) == {bad: "cannot encode"}
    assert "cannot encode" in caplog.text
    assert b"\npilot_total_xds_internal_errors 1.0" in generate_latest(registry)

    bad.fault = ""
    pusher.change("config", at_least=20)
    pusher.flush()
    assert (bad.pushed, good.pushed) == ([20], [8, 20])
    assert not pusher.faults
    assert len(told) == 2
