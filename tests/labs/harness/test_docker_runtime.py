"""The docker runtime against a real engine: two pods of bookinfo, and what a lab does with them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import docker
import jwt
import pytest
import pytest_asyncio
import testinfra

from labs.harness.docker_runtime import DockerRuntime, unavailable
from labs.harness.eventually import eventually
from labs.harness.history import read_served
from labs.harness.runtime import RuntimeFailure, RuntimeOptions
from mesh.citadel.tokens import AUDIENCE
from mesh.platform.docker import engine
from mesh.platform.topology import Topology, Workload, read_topology

pytestmark = [pytest.mark.docker, pytest.mark.asyncio(loop_scope="module")]

BOOKINFO = read_topology((Path(__file__).parents[3] / "compose" / "bookinfo.yaml").read_text())
TWO = Topology((BOOKINFO.workload("details-v1"), BOOKINFO.workload("client")))
URL = "http://details:9080/details/0"
GET = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=9).status)"


@pytest.fixture(scope="module", autouse=True)
def needs_docker() -> None:
    reason = unavailable(lambda line: print(line, file=sys.stderr))
    if reason:
        pytest.skip(reason)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DockerRuntime]:
    runtime = DockerRuntime(RuntimeOptions(tmp_path_factory.mktemp("run")))
    try:
        await runtime.up(TWO)
        yield runtime
    finally:
        await runtime.down()


async def get(runtime: DockerRuntime, url: str = URL) -> list[str]:
    command = await runtime.exec("client", ["python", "-c", GET, url])
    return [line async for line in command.lines()]


def left_of(runtime: DockerRuntime) -> list[str]:
    """Names of all that bears the run's label."""
    client = docker.from_env()
    try:
        mine = {"label": f"{engine.RUN_LABEL}={runtime.run}"}
        containers = client.containers.list(all=True, filters=mine)
        return [str(each.name) for each in (*containers, *client.networks.list(filters=mine))]
    finally:
        client.close()


async def test_a_call_by_plain_service_name_goes_through_both_sidecars(mesh: DockerRuntime) -> None:
    assert await get(mesh) == ["200"]
    request = read_served(await mesh.log("details-v1", "app"))[-1]
    assert request.peer == "127.0.0.1", "the app's peer is its own sidecar, or the mesh was bypassed"
    assert "URI=spiffe://cluster.local/ns/default/sa/bookinfo-client" in request.client_cert


async def test_mixer_hears_of_it(mesh: DockerRuntime) -> None:
    await get(mesh)

    async def logged() -> bool | None:
        return '"reporter": "source"' in (await mesh.mixer_log()).replace('":"', '": "') or None

    assert await eventually("mixer's log", logged, 10.0)


async def test_sidecars_run_as_1337_and_listen_where_istios_do(mesh: DockerRuntime) -> None:
    host = testinfra.get_host(f"docker://{(await mesh.identity('details-v1', 'sidecar')).id}")
    (process,) = host.process.filter(user="mesh", comm="python")
    assert int(process.uid) == 1337
    for port in (15001, 15006, 15020, 15021, 15090):
        assert host.socket(f"tcp://0.0.0.0:{port}").is_listening, port
    assert host.socket("tcp://127.0.0.1:15000").is_listening
    assert not host.socket("tcp://0.0.0.0:15000").is_listening


async def test_each_sidecar_has_a_token_that_its_user_alone_can_read(mesh: DockerRuntime) -> None:
    read = ["sh", "-c", "stat -c %u:%a /run/secrets/mesh/token; cat /run/secrets/mesh/token"]
    client = docker.from_env()
    try:
        ids = [(await mesh.identity(pod, "sidecar")).id for pod in ("details-v1", "client")]
        said = [client.containers.get(id).exec_run(read, user="1337").output.decode().split() for id in ids]
        app = client.containers.get((await mesh.identity("details-v1", "app")).id)
        assert app.exec_run(["ls", "/run/secrets/mesh"]).exit_code != 0
    finally:
        client.close()
    assert [owner for owner, _ in said] == ["1337:400", "1337:400"]
    assert said[0][1] != said[1][1]


async def test_who_stands_outside_reaches_pods_and_knows_its_address(mesh: DockerRuntime) -> None:
    url = f"http://{mesh.address('details-v1')}:9080/details/0"
    script = f"import os; print(os.environ['ADDRESS'])\n{GET}"
    command = await mesh.outside(["python", "-c", script, url], {"EXTRA": "1"})
    address, status = [line async for line in command.lines()]
    assert status == "200"
    assert address.count(".") == 3
    assert await command.wait() == 0


async def test_identities_stay_while_nothing_restarts(mesh: DockerRuntime) -> None:
    before = [await mesh.identity("details-v1", part) for part in ("app", "sidecar", "control-plane")]
    await get(mesh)
    assert [await mesh.identity("details-v1", part) for part in ("app", "sidecar", "control-plane")] == before
    assert len({identity.id for identity in before}) == 3


async def test_memory_is_told_by_part(mesh: DockerRuntime) -> None:
    parts = await mesh.memory()
    assert set(parts) == {
        "control-plane",
        "details-v1/sidecar",
        "details-v1/app",
        "client/sidecar",
        "client/app",
    }
    assert parts["details-v1/sidecar"] > 10 << 20


async def test_tokens_are_the_meshs_own(mesh: DockerRuntime) -> None:
    claims = jwt.decode(mesh.token("default", "anybody"), options={"verify_signature": False})
    assert (claims["aud"], claims["sub"]) == ([AUDIENCE], "system:serviceaccount:default:anybody")


async def test_traffic_outlives_the_control_plane_which_returns_where_it_was(mesh: DockerRuntime) -> None:
    where = mesh.control_plane()
    await mesh.kill_control_plane()
    with pytest.raises(RuntimeFailure, match="ended with status 137"):
        await mesh.identity("", "control-plane")
    assert await get(mesh) == ["200"]
    await mesh.start_control_plane()
    assert mesh.control_plane() == where
    assert (await mesh.identity("", "control-plane")).id


async def test_a_second_run_beside_the_first_and_its_logs(mesh: DockerRuntime, tmp_path: Path) -> None:
    second = DockerRuntime(RuntimeOptions(tmp_path))
    try:
        await second.up(Topology((BOOKINFO.workload("client"),)))
        assert await get(mesh) == ["200"]
    finally:
        await second.down()
    assert left_of(second) == []
    assert left_of(mesh)
    kept = {path.name for path in (tmp_path / "logs").iterdir()}
    assert {"client.app.log", "client.sidecar.log", "control-plane.log", "mixer.jsonl"} <= kept
    await second.down()


async def test_stopped_half_way_nothing_stays(tmp_path: Path) -> None:
    runtime = DockerRuntime(RuntimeOptions(tmp_path))
    rising = asyncio.create_task(runtime.up(TWO))

    async def begun() -> bool | None:
        return len(await asyncio.to_thread(left_of, runtime)) > 2 or None

    await eventually("the first containers", begun, 60.0)
    rising.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rising
    await runtime.down()
    assert left_of(runtime) == []


async def test_an_app_that_dies_is_named_with_its_last_words(tmp_path: Path) -> None:
    command = ("sh", "-c", "echo cannot go on; exit 3")
    details = BOOKINFO.workload("details-v1")
    dying = Workload("dying", command, ports=details.ports, service="dying")
    runtime = DockerRuntime(RuntimeOptions(tmp_path, ready_timeout_s=15.0))
    try:
        with pytest.raises(RuntimeFailure, match=r"dying ended with status 3:\ncannot go on"):
            await runtime.up(Topology((dying,)))
    finally:
        await runtime.down()
    assert left_of(runtime) == []


async def test_before_up_there_is_nothing_to_ask(tmp_path: Path) -> None:
    runtime = DockerRuntime(RuntimeOptions(tmp_path))
    with pytest.raises(RuntimeFailure, match="not up"):
        runtime.control_plane()
    with pytest.raises(RuntimeFailure, match="does not run"):
        await runtime.kill_control_plane()
    await runtime.down()
