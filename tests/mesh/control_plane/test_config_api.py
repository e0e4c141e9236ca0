"""The configuration API over real HTTP, with galley and pilot behind it and no proxy connected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from mesh.control_plane.config_api import ConfigApi
from mesh.control_plane.debug_api import DebugApi
from mesh.control_plane.http_port import StatusPages, application
from mesh.galley.galley import Galley
from mesh.mixer.mixer import Mixer
from mesh.pilot.discovery import Pilot
from mesh.pilot.metrics import PilotMetrics

ADMIN = {"Authorization": "Bearer secret"}
GOOD = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}
"""
BAD = GOOD.replace("http:", "htpp:").replace("name: reviews", "name: broken")
FILED = GOOD.replace("name: reviews", "name: filed").replace("hosts: [reviews]", "hosts: [filed]")

Client = TestClient[Any, Any]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "filed.yaml").write_text(FILED)
    galley = Galley(tmp_path, [tmp_path / "rules"])
    await galley.start()
    registry, mixer = CollectorRegistry(), Mixer({})
    metrics = PilotMetrics(registry, "test")
    pilot = Pilot(galley.snapshot, tmp_path / "registry.json", metrics, identity=lambda: None)
    galley.subscribe(pilot.configure)
    pilot.start()
    app = application(
        ConfigApi(galley, pilot, "secret"), DebugApi(pilot), StatusPages(pilot, mixer, registry)
    )
    async with TestClient(TestServer(app)) as made:
        yield made
    pilot.close()
    mixer.close()
    await galley.stop()


async def ask(client: Client, method: str, path: str, body: str = "", **changes: Any) -> tuple[int, Any]:
    async with client.request(method, path, data=body, **{"headers": ADMIN, **changes}) as response:
        return response.status, await response.json()


async def test_an_object_is_created_configured_unchanged(client: Client) -> None:
    generations = []
    for text, verb in (
        (GOOD, "created"),
        (GOOD.replace("host: reviews}", "host: ratings}"), "configured"),
        (GOOD.replace("host: reviews}", "host: ratings}"), "unchanged"),
    ):
        status, answer = await ask(client, "POST", "/config", text)
        assert status == 200
        assert answer["applied"] == [
            {"kind": "VirtualService", "namespace": "default", "name": "reviews", "verb": verb}
        ]
        assert answer["wait"] is None
        generations.append(answer["generation"])
    assert generations[0] < generations[1] == generations[2]


async def test_good_objects_are_taken_although_others_are_bad(client: Client) -> None:
    status, answer = await ask(client, "POST", "/config?file=my.yaml&wait=5", f"{GOOD}---{BAD}")
    assert status == 400
    assert [applied["name"] for applied in answer["applied"]] == ["reviews"]
    assert {fault["object"] for fault in answer["faults"]} == {"VirtualService default/broken"}
    assert {fault["file"] for fault in answer["faults"]} == {"my.yaml"}
    assert answer["wait"] == {"acked": [], "pending": [], "rejected": []}
    _, listed = await ask(client, "GET", "/config/VirtualService/default")
    assert [stored["name"] for stored in listed] == ["filed", "reviews"]


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_changes_need_the_admin_token(client: Client, method: str) -> None:
    path = "/config" if method == "POST" else "/config/VirtualService/default/filed"
    for headers in ({}, {"Authorization": "Bearer guess"}):
        status, answer = await ask(client, method, path, GOOD, headers=headers)
        assert status == 401
        assert "Bearer" in answer["error"]
    _, listed = await ask(client, "GET", "/config", headers={})
    assert [stored["name"] for stored in listed] == ["filed"]


async def test_deleting(client: Client) -> None:
    await ask(client, "POST", "/config", GOOD)
    status, answer = await ask(client, "DELETE", "/config/VirtualService/default/reviews?wait=5")
    assert (status, answer["deleted"]["name"]) == (200, "reviews")
    assert (await ask(client, "DELETE", "/config/VirtualService/default/reviews"))[0] == 404
    status, answer = await ask(client, "DELETE", "/config/VirtualService/default/filed")
    assert status == 409
    assert "filed.yaml" in answer["error"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("POST", "/config?wait=soon", "", 400, "wait: expected seconds"),
        ("POST", "/config?wait=-1", "", 400, "wait: expected seconds"),
        ("POST", "/config?wait=nan", "", 400, "wait: expected seconds"),
        ("POST", "/config", b"\xff", 400, "UTF-8"),
        ("GET", "/config/VirtualServce", "", 400, 'did you mean "VirtualService"'),
        ("GET", "/debug/config_dump", "", 400, "proxyID: expected"),
        ("GET", "/debug/config_dump?proxyID=x.y", "", 404, "not connected"),
        ("GET", "/nowhere", "", 404, "GET /nowhere: Not Found"),
        ("PUT", "/config", "", 405, "PUT /config: Method Not Allowed"),
    ],
)
async def test_what_makes_no_sense_is_one_line(
    client: Client, method: str, path: str, body: Any, status: int, message: str
) -> None:
    got, answer = await ask(client, method, path, body)
    assert got == status
    assert message in answer["error"]


async def test_an_unknown_kind_lists_nothing_of_others(client: Client) -> None:
    assert await ask(client, "GET", "/config/PeerAuthentication") == (200, [])
    _, (one,) = await ask(client, "GET", "/config/VirtualService/default/filed")
    assert one["spec"]["hosts"] == ["filed"]
