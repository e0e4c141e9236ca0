"""The whole control plane as a process, with sidecars that speak to it as real ones do: TLS, tokens, ADS."""

from __future__ import annotations

import asyncio
import re
import signal
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.discovery.v3 import discovery_pb2

from mesh.control_plane.server import CannotStart, Options, run
from mesh.grpc.status import RpcError
from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.proxy.agent.control_plane import open_channel
from mesh.proxy.agent.secrets import SecretManager
from mesh.xds.codec.wire import struct
from mesh.xds.server import SERVICE, STREAM_METHOD

MakeNode = Callable[..., Node]
StartSidecar = Callable[..., Awaitable[Any]]
Look = Mapping[str, Callable[[Resources], frozenset[str]]]

RULE = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec: {hosts: [reviews], http: [{name: NAME, route: [{destination: {host: reviews}}]}]}
"""
BOTH = {"reviews-v1", "reviews-v2"}


async def two(sidecar: StartSidecar, node: MakeNode, look: Look) -> tuple[Any, Any]:
    """Two sidecars which know of each other."""
    found = await sidecar(node("reviews-v1", 1)), await sidecar(node("reviews-v2", 2))
    for one in found:
        await one.until(lambda resources: look["endpoints"](resources) == BOTH and resources.routes)
    return found


async def test_a_sidecar_gets_its_listeners_and_learns_of_the_others(
    sidecar: StartSidecar, node: MakeNode, look: Look
) -> None:
    one, _ = await two(sidecar, node, look)
    names = [listener.name for listener in one.history[-1].listeners]
    assert names == ["127.69.1.2_15001", "127.69.1.2_9080"]


async def test_apply_and_wait_returns_when_every_proxy_serves_it(
    control_plane: Any, sidecar: StartSidecar, node: MakeNode, look: Look
) -> None:
    proxies = await two(sidecar, node, look)
    for name in ("one", "two", "three"):
        status, answer = await control_plane.ask("POST", "/config?wait=20", RULE.replace("NAME", name))
        assert status == 200, answer
        assert answer["wait"] == {
            "acked": ["reviews-v1-0.default", "reviews-v2-0.default"],
            "pending": [],
            "rejected": [],
        }
        for proxy in proxies:
            assert name in look["routes"](proxy.history[-1]), "already there when the answer comes"
    status, answer = await control_plane.ask("DELETE", "/config/VirtualService/default/reviews?wait=20")
    assert status == 200
    assert answer["wait"]["pending"] == []
    for proxy in proxies:
        assert "three" not in look["routes"](proxy.history[-1])


async def test_a_proxy_that_refuses_is_named_with_its_reason(
    control_plane: Any, sidecar: StartSidecar, node: MakeNode, look: Look
) -> None:
    good, bad = await two(sidecar, node, look)
    bad.refuse = lambda resources: "route x: no" if "bad" in look["routes"](resources) else None
    _, answer = await control_plane.ask("POST", "/config?wait=20", RULE.replace("NAME", "bad"))
    assert answer["wait"]["acked"] == ["reviews-v1-0.default"]
    assert answer["wait"]["pending"] == []
    (rejection,) = answer["wait"]["rejected"]
    assert rejection["proxy"] == "reviews-v2-0.default"
    assert rejection["type"] == "RDS"
    assert "route x: no" in rejection["error"]

    _, syncz = await control_plane.ask("GET", "/debug/syncz")
    types = {proxy["proxy"]: proxy["types"] for proxy in syncz["proxies"]}
    assert types["reviews-v2-0.default"]["RDS"]["status"] == "ERROR"
    assert types["reviews-v1-0.default"]["RDS"]["status"] == "SYNCED"

    _, answer = await control_plane.ask("POST", "/config?wait=20", RULE.replace("NAME", "good"))
    assert answer["wait"]["rejected"] == []
    assert "good" in look["routes"](good.history[-1]) & look["routes"](bad.history[-1])


async def test_a_sidecar_that_leaves_is_withdrawn_at_once(
    sidecar: StartSidecar, node: MakeNode, look: Look
) -> None:
    one, other = await two(sidecar, node, look)
    await other.client.leave()
    await one.until(lambda resources: look["endpoints"](resources) == {"reviews-v1"})


async def test_a_killed_control_plane_comes_back_with_every_endpoint(
    control_plane: Any, sidecar: StartSidecar, node: MakeNode, look: Look
) -> None:
    one, other = await two(sidecar, node, look)
    await control_plane.ask("POST", "/config?wait=20", RULE.replace("NAME", "before"))
    seen = len(one.history)
    await control_plane.end(signal.SIGKILL)
    await other.client.stop()
    await control_plane.start()
    _, answer = await control_plane.ask("POST", "/config?wait=1", RULE.replace("NAME", "after"))
    assert "reviews-v2-0.default" in answer["wait"]["pending"], "away, and perhaps still serving"
    await one.until(lambda resources: "after" in look["routes"](resources))
    assert all(look["endpoints"](resources) == BOTH for resources in one.history[seen:])


async def test_it_stops_without_a_word_of_complaint_while_sidecars_are_connected(
    control_plane: Any, sidecar: StartSidecar, node: MakeNode, look: Look
) -> None:
    await two(sidecar, node, look)
    waiting = asyncio.create_task(control_plane.ask("POST", "/config?wait=20", RULE.replace("NAME", "x")))
    await waiting
    assert await control_plane.end(signal.SIGTERM) == 0
    complaints = [line for line in control_plane.log.splitlines() if not line.startswith("INFO:")]
    assert complaints == []


async def test_a_token_for_another_account_is_refused(
    control_plane: Any, sidecar: StartSidecar, node: MakeNode, look: Look
) -> None:
    evil = await sidecar(node("reviews-v9", 9), account="evil")
    async with open_channel(evil.bootstrap) as channel:
        said = base_pb2.Node(metadata=struct(node("reviews-v9", 9).to_metadata()))
        call = channel.call(f"/{SERVICE}/{STREAM_METHOD}")
        await call.write(discovery_pb2.DiscoveryRequest(node=said).SerializeToString())
        with pytest.raises(RpcError, match=r"its token is for .*/sa/evil") as refusal:
            await call.end()
    assert refusal.value.name == "PERMISSION_DENIED"
    good = await sidecar(node("reviews-v1", 1))
    await good.until(lambda resources: look["endpoints"](resources) == {"reviews-v1"})
    assert evil.history == []


async def test_certificates_are_signed_on_the_same_port(
    control_plane: Any, sidecar: StartSidecar, node: MakeNode
) -> None:
    one = await sidecar(node())
    manager = SecretManager(node(), one.bootstrap)
    await manager.start()
    assert manager.current.certificate.chain_pem.startswith(b"-----BEGIN CERTIFICATE-----")
    await manager.stop()
    _, metrics = await control_plane.ask("GET", "/metrics")
    assert "citadel_server_success_cert_issuance_count 1.0" in metrics


async def test_what_machines_ask_for(
    control_plane: Any, sidecar: StartSidecar, node: MakeNode, look: Look
) -> None:
    await two(sidecar, node, look)
    await control_plane.ask("POST", "/config?wait=20", RULE.replace("NAME", "x"))
    assert (await control_plane.ask("GET", "/ready")) == (200, "ready\n")
    assert set((await control_plane.ask("GET", "/version"))[1]) == {"version"}
    _, metrics = await control_plane.ask("GET", "/metrics")
    for wanted in (
        r"^pilot_xds\{.*\} 2\.0$",
        r'^pilot_xds_pushes\{type="rds"\} \d',
        r"^pilot_proxy_convergence_time_count [1-9]",
        r"^pilot_services 1\.0$",
        r"^pilot_virt_services 1\.0$",
        r'^galley_validation_passed\{.*resource="virtualservices",version="v1"\} 1\.0$',
        r"^istiod_uptime_seconds \d",
    ):
        assert re.search(wanted, metrics, re.MULTILINE), f"{wanted} not in\n{metrics}"
    assert "mixer_access_log_streams 0.0" in (await control_plane.ask("GET", "/mixer/metrics"))[1]


def test_secrets_are_for_their_owner_only(control_plane: Any) -> None:
    for name in ("admin-token", "citadel/ca-key.pem", "citadel/token-key"):
        assert stat.S_IMODE((control_plane.data_dir / name).stat().st_mode) == 0o600


@pytest.mark.parametrize("taken", [0, 1, 2], ids=["xds", "secure", "http"])
async def test_a_port_in_use_is_one_line(control_plane: Any, tmp_path: Path, taken: int) -> None:
    ports = [0, 0, 0]
    ports[taken] = control_plane.ports[taken]
    with pytest.raises(
        OSError, match=rf"^cannot listen on 127.0.0.1:{ports[taken]}: address already in use$"
    ):
        await run(Options(tmp_path / "second", "127.0.0.1", (), *ports))


async def test_a_key_open_to_others_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "admin-token").write_text("secret")
    (tmp_path / "admin-token").chmod(0o644)
    with pytest.raises(CannotStart, match="admin-token: expected mode 0600, got 0644"):
        await run(Options(tmp_path, xds_port=0, secure_port=0, http_port=0))
