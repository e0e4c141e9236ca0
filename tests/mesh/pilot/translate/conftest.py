"""Golden files and the simulation: what the tests of translation judge a configuration by."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml
from envoy.config.bootstrap.v3 import bootstrap_pb2
from google.protobuf.json_format import MessageToJson

from mesh.http.message import Framing, Request
from mesh.model.endpoint import Endpoint
from mesh.model.listener import HttpConnectionManager
from mesh.model.node import Node
from mesh.model.resources import Resources
from mesh.model.route import DirectResponse
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.world import World
from mesh.proxy.agent.envoy_binary import find_envoy
from mesh.proxy.route import RouteTable, match_route, pick_destination
from mesh.xds.codec import codec

GOLDEN = Path(__file__).parent / "golden"


def plain(value: Any) -> Any:
    """Model values as YAML shows them: what has its default is left out."""
    if is_dataclass(value):
        found = {
            field.name: plain(getattr(value, field.name))
            for field in fields(value)
            if field.default is MISSING or getattr(value, field.name) != field.default
        }
        return {type(value).__name__: found} if not found else found
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


@pytest.fixture
def check_golden() -> Callable[[str, Resources], None]:
    """Compare with ``golden/<name>.yaml``; UPDATE_GOLDEN=1 writes it instead."""

    def check(name: str, resources: Resources) -> None:
        path = GOLDEN / f"{name}.yaml"
        text = yaml.safe_dump(plain(resources), sort_keys=False, width=110)
        if os.environ.get("UPDATE_GOLDEN"):
            path.write_text(text)
        assert yaml.safe_load(text) == yaml.safe_load(path.read_text())

    return check


@dataclass(frozen=True)
class Outcome:
    """Where a simulated request went. ``status`` is what the proxy itself answers, 0 when it forwards."""

    route: str = ""
    cluster: str = ""
    endpoints: tuple[Endpoint, ...] = ()
    status: int = 0


def simulate(
    world: World, client: Node, url: str, headers: Mapping[str, str] | None = None, draw: int = 0
) -> Outcome:
    """Send one request of the client's application through its sidecar's configuration.

    ``url`` is "host[:port]/path"; ``draw`` seeds the choice among weighted clusters.
    """
    resources = assemble(world, client)
    authority, slash, path = url.partition("/")
    port = int(authority.partition(":")[2] or 80)
    request = Request(
        b"GET",
        (slash + path).encode() or b"/",
        authority.encode(),
        {name.encode(): value.encode() for name, value in (headers or {}).items()},
        [],
        Framing.NONE,
        True,
    )
    name = _route_name(resources, client, port)
    if name is None:
        return Outcome(cluster="PassthroughCluster")
    (config,) = (found for found in resources.routes if found.name == name)
    route = match_route(RouteTable(config), request)
    if route is None:
        return Outcome(status=404)
    if isinstance(route.model.action, DirectResponse):
        return Outcome(route.name, status=route.model.action.status)
    cluster = pick_destination(route, Random(draw)).cluster
    if cluster not in {found.name for found in resources.clusters}:
        return Outcome(route.name, cluster, status=503)
    return Outcome(route.name, cluster, _endpoints(resources, cluster))


def _route_name(resources: Resources, client: Node, port: int) -> str | None:
    """RDS name of the listener that takes the request, None when it passes through unread."""
    wanted = f"{client.address}_15001" if client.interception == "NONE" else f"0.0.0.0_{port}"
    for listener in resources.listeners:
        if listener.name == wanted:
            manager = listener.filter_chains[0].network_filter
            assert isinstance(manager, HttpConnectionManager)
            return manager.route_config_name
    return None


def _endpoints(resources: Resources, cluster: str) -> tuple[Endpoint, ...]:
    for assignment in resources.endpoints:
        if assignment.cluster_name == cluster:
            return tuple(endpoint for locality in assignment.localities for endpoint in locality.endpoints)
    return ()


Simulate = Callable[..., Outcome]


@pytest.fixture(name="simulate")
def simulate_fixture() -> Simulate:
    return simulate


@pytest.fixture
def envoy_takes(tmp_path: Path) -> Callable[[Resources], str]:
    """What the real Envoy says of it all (``--mode validate``): its complaint, or ""."""

    def ask(resources: Resources) -> str:
        config = tmp_path / "bootstrap.json"
        config.write_text(MessageToJson(_bootstrap(resources)))
        argv = [find_envoy(), "--mode", "validate", "-c", str(config), "-l", "error"]
        ran = subprocess.run(argv, capture_output=True, text=True, check=False)
        return "" if ran.returncode == 0 else ran.stderr

    return ask


def _bootstrap(resources: Resources) -> Any:
    """Everything that is not fetched, as Envoy reads it at its start."""
    made = bootstrap_pb2.Bootstrap()
    made.node.id = made.node.cluster = "test"
    for name in ("xds-grpc", "sds-grpc"):
        agent = made.static_resources.clusters.add(name=name, load_assignment={"cluster_name": name})
        agent.connect_timeout.seconds = 1
    ads = made.dynamic_resources.ads_config
    ads.api_type, ads.transport_api_version = ads.GRPC, 2
    ads.grpc_services.add().envoy_grpc.cluster_name = "xds-grpc"
    for cluster in resources.clusters:
        codec.encode(cluster).Unpack(made.static_resources.clusters.add())
    for listener in resources.listeners:
        codec.encode(listener).Unpack(made.static_resources.listeners.add())
    return made
