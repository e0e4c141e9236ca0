"""The debug pages, asked of a control plane with one sidecar connected."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from mesh.model.node import Node


async def test_the_debug_pages_show_a_connected_sidecar(
    control_plane: Any, sidecar: Callable[..., Awaitable[Any]], node: Callable[..., Node]
) -> None:
    one = await sidecar(node())
    await one.until(lambda resources: bool(resources.routes))

    _, syncz = await control_plane.ask("GET", "/debug/syncz")
    (proxy,) = syncz["proxies"]
    assert proxy["proxy"] == "reviews-v1-0.default"
    assert proxy["id"] == node().id
    assert (proxy["cluster"], proxy["engine"]) == ("Kubernetes", "python")
    assert proxy["admin"] == "127.0.0.1:15000"
    assert list(proxy["types"]) == ["CDS", "EDS", "SDS", "LDS", "RDS"]
    assert set(proxy["types"]["CDS"]) == {"status", "version", "sent_nonce", "acked_nonce", "error"}

    _, dump = await control_plane.ask("GET", "/debug/config_dump?proxyID=reviews-v1-0.default")
    assert [found["name"] for found in dump["listeners"]] == ["127.69.1.2_15001", "127.69.1.2_9080"]
    assert [found["name"] for found in dump["routes"]] == ["http_proxy"]

    _, (service,) = await control_plane.ask("GET", "/debug/registryz")
    assert service["host"] == "reviews.default.svc.cluster.local"
    assert [workload["proxy"] for workload in service["workloads"]] == ["reviews-v1-0.default"]
