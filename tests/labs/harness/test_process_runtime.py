"""Real control plane, real sidecars, real apps, as processes: two small meshes side by side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from labs.harness.history import read_exchanges, read_served
from labs.harness.process_runtime import ProcessRuntime
from labs.harness.runtime import RuntimeFailure, RuntimeOptions
from labs.harness.traffic import Plan
from mesh.platform.topology import Topology, read_topology

BOOKINFO = read_topology((Path(__file__).parents[3] / "compose" / "bookinfo.yaml").read_text())
SMALL = Topology((BOOKINFO.workload("details-v1"), BOOKINFO.workload("client")))
PLAN = Plan("http://details:9080/details/0", count=20, seed=1, concurrency=2)


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[ProcessRuntime]:
    runtime = ProcessRuntime(RuntimeOptions(tmp_path))
    try:
        await runtime.up(SMALL)
        yield runtime
    finally:
        await runtime.down()


async def send(mesh: ProcessRuntime) -> list[int]:
    process = await mesh.exec("client", PLAN.argv())
    history = read_exchanges([line async for line in process.lines()])
    assert await process.wait() == 0
    return [exchange.status for exchange in history]


async def test_a_mesh_carries_traffic_and_survives_its_control_plane(mesh: ProcessRuntime) -> None:
    before = await mesh.identity("details-v1", "sidecar")
    assert await send(mesh) == [200] * 20
    served = read_served(await mesh.log("details-v1", "app"))
    assert len(served) == 20
    assert {request.peer for request in served} == {"127.0.0.1"}, "the sidecar is the app's only peer"

    old = await mesh.identity("details-v1", "control-plane")
    await mesh.kill_control_plane()
    assert await send(mesh) == [200] * 20
    await mesh.start_control_plane()
    assert await mesh.identity("details-v1", "control-plane") != old
    assert await mesh.identity("details-v1", "sidecar") == before
    assert set(await mesh.memory()) == {
        "control-plane", "details-v1/app", "details-v1/sidecar", "client/app", "client/sidecar",
    }  # fmt: skip


async def test_a_second_mesh_beside_the_first_has_addresses_of_its_own(
    mesh: ProcessRuntime, tmp_path: Path
) -> None:
    folder = tmp_path / "second"
    folder.mkdir()
    second = ProcessRuntime(RuntimeOptions(folder))
    try:
        await second.up(SMALL)
        assert second.address("details-v1") != mesh.address("details-v1")
        assert await asyncio.gather(send(mesh), send(second)) == [[200] * 20, [200] * 20]
    finally:
        await second.down()


async def test_what_is_outside_has_an_address_and_no_sidecar(mesh: ProcessRuntime) -> None:
    code = "import os; print(os.environ['ADDRESS'], os.environ.get('HTTP_PROXY'))"
    process = await mesh.outside(["python", "-c", code])
    (line,) = [line async for line in process.lines()]
    assert line.endswith(".250.1 None")
    await process.wait()


async def test_down_leaves_nothing_listening_and_may_be_called_twice(tmp_path: Path) -> None:
    runtime = ProcessRuntime(RuntimeOptions(tmp_path))
    await runtime.up(SMALL)
    url = runtime.control_plane().http + "/ready"
    await runtime.down()
    await runtime.down()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get(url)
    with pytest.raises(RuntimeFailure, match="not up"):
        runtime.control_plane()


async def test_a_sidecar_that_cannot_start_ends_the_start_with_its_words(tmp_path: Path) -> None:
    broken = {"details-v1": ("python", "-c", "raise SystemExit('no licence to proxy')")}
    runtime = ProcessRuntime(RuntimeOptions(tmp_path, sidecar_entry=broken))
    try:
        with pytest.raises(RuntimeFailure, match="details-v1's sidecar ended with status 1:\nno licence"):
            await runtime.up(SMALL)
    finally:
        await runtime.down()
