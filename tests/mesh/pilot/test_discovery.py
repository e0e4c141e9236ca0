"""Pilot against proxies that answer as told: what is pushed to whom, and when it counts as served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from mesh.model.identity import SpiffeId
from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.pilot.debounce import Debounce
from mesh.pilot.discovery import Pilot
from mesh.pilot.metrics import PilotMetrics
from mesh.pilot.registry import Registry
from mesh.pilot.status import Progress, Rejection
from mesh.xds.errors import Refused
from mesh.xds.source import TypeStatus

MakeNode = Callable[..., Node]
MakeConfig = Callable[[str], Any]

REVIEWS_V2 = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec: {hosts: [reviews], http: [{name: v2, route: [{destination: {host: reviews, subset: v2}}]}]}
"""


class Proxy:
    """A connection whose other end ACKs when ``ack`` is called; ``pushed`` has everything it was sent."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.acked_generation: int | None = None
        self.pushed: list[tuple[Resources, int]] = []
        self.error = ""
        self._arrived = asyncio.Event()

    def push(self, resources: Resources, generation: int) -> None:
        self.pushed.append((resources, generation))
        self._arrived.set()

    def status(self) -> Mapping[str, TypeStatus]:
        return {"RDS": TypeStatus("ERROR", error=self.error) if self.error else TypeStatus("SYNCED")}

    async def next_push(self) -> Resources:
        async with asyncio.timeout(5):
            await self._arrived.wait()
        self._arrived.clear()
        return self.pushed[-1][0]

    def ack(self, pilot: Pilot) -> None:
        self.acked_generation = self.pushed[-1][1]
        pilot.on_ack(self, "RDS")

    def nack(self, pilot: Pilot, error: str) -> None:
        self.error = error
        pilot.on_nack(self, "RDS", error)


MakePilot = Callable[..., Pilot]


@pytest.fixture
def pilot(tmp_path: Path, config: MakeConfig) -> MakePilot:
    def make(text: str = "", caller: SpiffeId | None = None, leave_grace_s: float = 60.0) -> Pilot:
        made = Pilot(
            config(text),
            tmp_path / "registry.json",
            PilotMetrics(CollectorRegistry(), "test"),
            identity=lambda: caller,
            registry=Registry(leave_grace_s=leave_grace_s),
            debounce=Debounce(quiet_s=0.001),
        )
        made.start()
        return made

    return make


def workloads(resources: Resources) -> set[str]:
    found = (
        one for assignment in resources.endpoints for part in assignment.localities for one in part.endpoints
    )
    return {endpoint.workload.split(";")[0] for endpoint in found}


def route_names(resources: Resources) -> set[str]:
    return {r.name for config in resources.routes for host in config.virtual_hosts for r in host.routes}


async def test_who_connects_is_served_and_everybody_learns_of_it(pilot: MakePilot, node: MakeNode) -> None:
    made = pilot()
    v1, v2 = Proxy(node("reviews-v1", 1)), Proxy(node("reviews-v2", 2))
    made.on_connect(v1)
    assert workloads(await v1.next_push()) == {"reviews-v1"}
    made.on_connect(v2)
    for proxy in (v1, v2):
        assert workloads(await proxy.next_push()) == {"reviews-v1", "reviews-v2"}


async def test_a_change_of_configuration_is_one_push_to_each(
    pilot: MakePilot, node: MakeNode, config: MakeConfig
) -> None:
    made = pilot()
    proxy = Proxy(node())
    made.on_connect(proxy)
    await proxy.next_push()
    for _ in range(5):
        made.configure(config(REVIEWS_V2))
    assert "v2" in route_names(await proxy.next_push())
    assert len(proxy.pushed) == 2


async def test_waiting_until_everybody_serves_it(
    pilot: MakePilot, node: MakeNode, config: MakeConfig
) -> None:
    made = pilot()
    proxies = [Proxy(node("reviews-v1", 1)), Proxy(node("reviews-v2", 2))]
    for proxy in proxies:
        made.on_connect(proxy)
    made.configure(config(REVIEWS_V2))
    generation = made.generation
    waiting = asyncio.create_task(made.wait_acked(generation, 60))
    for proxy in proxies:
        await proxy.next_push()
    proxies[0].ack(made)
    await asyncio.sleep(0)
    assert made.progress(generation).pending == ("reviews-v2-0.default",)
    proxies[1].ack(made)
    assert await waiting == Progress(acked=("reviews-v1-0.default", "reviews-v2-0.default"))


async def test_a_refusal_ends_the_waiting_and_names_who_and_why(
    pilot: MakePilot, node: MakeNode, config: MakeConfig
) -> None:
    made = pilot()
    proxy = Proxy(node())
    made.on_connect(proxy)
    made.configure(config(REVIEWS_V2))
    generation = made.generation
    waiting = asyncio.create_task(made.wait_acked(generation, 60))
    await proxy.next_push()
    proxy.nack(made, "route http_proxy: no")
    rejection = Rejection("reviews-v1-0.default", "RDS", "route http_proxy: no")
    assert await waiting == Progress(rejected=(rejection,))


async def test_a_proxy_cut_off_for_a_moment_is_waited_for(
    pilot: MakePilot, node: MakeNode, config: MakeConfig
) -> None:
    """It goes on serving what it had, so the change is not live everywhere."""
    made = pilot()
    proxy = Proxy(node())
    made.on_connect(proxy)
    await proxy.next_push()
    made.on_disconnect(proxy, clean=False)
    made.configure(config(REVIEWS_V2))
    generation = made.generation
    waiting = asyncio.create_task(made.wait_acked(generation, 60))
    back = Proxy(node())
    made.on_connect(back)
    assert "v2" in route_names(await back.next_push())
    back.ack(made)
    assert await waiting == Progress(acked=("reviews-v1-0.default",))


async def test_nobody_connected_is_nobody_to_wait_for(pilot: MakePilot, config: MakeConfig) -> None:
    made = pilot()
    made.configure(config(REVIEWS_V2))
    assert await made.wait_acked(made.generation, 60) == Progress()


async def test_waiting_no_time_answers_at_once_with_everybody_pending(
    pilot: MakePilot, node: MakeNode, config: MakeConfig
) -> None:
    made = pilot()
    made.on_connect(Proxy(node()))
    made.configure(config(REVIEWS_V2))
    found = await made.wait_acked(made.generation, 0)
    assert found == Progress(pending=("reviews-v1-0.default",))


async def test_who_leaves_cleanly_is_withdrawn_at_once(pilot: MakePilot, node: MakeNode) -> None:
    made = pilot()
    v1, v2 = Proxy(node("reviews-v1", 1)), Proxy(node("reviews-v2", 2))
    made.on_connect(v1)
    made.on_connect(v2)
    await v1.next_push()
    made.on_disconnect(v2, clean=True)
    assert workloads(await v1.next_push()) == {"reviews-v1"}


async def test_who_breaks_off_is_withdrawn_after_the_grace(pilot: MakePilot, node: MakeNode) -> None:
    made = pilot(leave_grace_s=0.02)
    v1, v2 = Proxy(node("reviews-v1", 1)), Proxy(node("reviews-v2", 2))
    made.on_connect(v1)
    made.on_connect(v2)
    await v1.next_push()
    made.on_disconnect(v2, clean=False)
    assert workloads(await v1.next_push()) == {"reviews-v1"}


async def test_a_blip_is_seen_by_nobody_else(pilot: MakePilot, node: MakeNode) -> None:
    made = pilot()
    v1, v2 = Proxy(node("reviews-v1", 1)), Proxy(node("reviews-v2", 2))
    made.on_connect(v1)
    made.on_connect(v2)
    await v1.next_push()
    generation = made.generation
    made.on_disconnect(v2, clean=False)
    back = Proxy(node("reviews-v2", 2))
    made.on_connect(back)
    assert back.pushed, "who returns unchanged is served at once"
    assert made.generation == generation
    assert len(v1.pushed) == 1


async def test_a_restart_serves_the_endpoints_it_knew(pilot: MakePilot, node: MakeNode) -> None:
    made = pilot()
    v1, v2 = Proxy(node("reviews-v1", 1)), Proxy(node("reviews-v2", 2))
    made.on_connect(v1)
    made.on_connect(v2)
    await v1.next_push()
    made.close()
    for proxy in (v1, v2):
        made.on_disconnect(proxy, clean=True)
    again = pilot()
    first = Proxy(node("reviews-v1", 1))
    again.on_connect(first)
    assert workloads(await first.next_push()) == {"reviews-v1", "reviews-v2"}
    assert again.progress(again.generation).pending == ("reviews-v1-0.default", "reviews-v2-0.default")
    assert again.generation > made.generation, "what was live before stays behind what comes"


async def test_a_false_identity_is_refused_and_leaves_no_trace(pilot: MakePilot, node: MakeNode) -> None:
    made = pilot(caller=SpiffeId("default", "evil"))
    with pytest.raises(Refused):
        made.on_connect(Proxy(node()))
    assert made.connections == {}
    assert made.progress(made.generation) == Progress()


async def test_the_newer_stream_of_a_name_is_the_one_that_is_served(
    pilot: MakePilot, node: MakeNode, config: MakeConfig
) -> None:
    made = pilot()
    old, new = Proxy(node()), Proxy(node())
    made.on_connect(old)
    await old.next_push()
    made.on_connect(new)
    await new.next_push()
    made.on_disconnect(old, clean=True)
    made.configure(config(REVIEWS_V2))
    assert "v2" in route_names(await new.next_push())
    assert made.connections == {"reviews-v1-0.default": new}
