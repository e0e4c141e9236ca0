from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.extensions.filters.http.router.v3 import router_pb2  # noqa: F401 - known to ParseDict by import
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,  # noqa: F401
)
from envoy.extensions.resource_monitors.downstream_connections.v3 import (
    downstream_connections_pb2,  # noqa: F401
)
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2  # noqa: F401
from google.protobuf import json_format

from mesh.model.node import Node
from mesh.proxy.agent.envoy_binary import find_envoy
from mesh.proxy.agent.envoy_bootstrap import arguments, envoy_bootstrap
from mesh.proxy.overload import REJECT_CONNECTIONS, STOP_REQUESTS, OverloadLimits


def parsed(node: Node) -> Any:
    return json_format.ParseDict(envoy_bootstrap(node), bootstrap_pb2.Bootstrap())


def test_the_node_says_who_it_is(node: Node) -> None:
    message = parsed(node).node
    assert message.id == node.id
    assert message.cluster == "reviews.default"
    assert Node.from_metadata(json_format.MessageToDict(message.metadata)) == node


def test_configuration_is_waited_for_and_reconnects_within_a_second(node: Node) -> None:
    dynamic = parsed(node).dynamic_resources
    for source in (dynamic.lds_config, dynamic.cds_config):
        assert source.HasField("ads")
        assert source.initial_fetch_timeout.ToMilliseconds() == 0
    backoff = dynamic.ads_config.grpc_services[0].envoy_grpc.retry_policy.retry_back_off
    assert (backoff.base_interval.ToMilliseconds(), backoff.max_interval.ToMilliseconds()) == (100, 1000)


def test_envoy_reaches_nothing_but_its_agent_and_itself(node: Node) -> None:
    clusters = {cluster.name: cluster for cluster in parsed(node).static_resources.clusters}
    addresses = {
        name: cluster.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address
        for name, cluster in clusters.items()
    }
    assert addresses["xds-grpc"].pipe.path == "xds.sock"
    assert addresses["sds-grpc"].pipe.path == "sds.sock"
    assert addresses["prometheus_stats"].socket_address.address == node.admin_address
    assert len(addresses) == 3


@pytest.mark.parametrize(("mode", "expected"), [("NONE", None), ("REDIRECT", "0.0.0.0")])
def test_metrics_listen_where_they_can_be_reached(node: Node, mode: Any, expected: str | None) -> None:
    listener = parsed(replace(node, interception=mode)).static_resources.listeners[0]
    address = listener.address.socket_address
    assert (address.address, address.port_value) == (expected or node.address, 15090)


def test_holds_no_secret(node: Node) -> None:
    text = json.dumps(envoy_bootstrap(node)).lower()
    assert "authorization" not in text
    assert "private" not in text


def test_sheds_load_at_the_same_thresholds_as_our_sidecar(node: Node) -> None:
    limits = OverloadLimits(max_heap_bytes=1000, max_downstream_connections=7)
    manager = envoy_bootstrap(node, limits)["overload_manager"]
    thresholds = {one["name"]: one["triggers"][0]["threshold"]["value"] for one in manager["actions"]}
    assert thresholds == {
        "envoy.overload_actions.stop_accepting_requests": STOP_REQUESTS,
        "envoy.overload_actions.reject_incoming_connections": REJECT_CONNECTIONS,
    }
    assert len(manager["resource_monitors"]) == 2
    assert not parsed(node).overload_manager.actions


@pytest.mark.envoy
@pytest.mark.parametrize("limits", [OverloadLimits(), OverloadLimits(1 << 30, 1000)])
def test_envoy_accepts_bootstrap_and_flags(node: Node, tmp_path: Path, limits: OverloadLimits) -> None:
    (tmp_path / "envoy.json").write_text(json.dumps(envoy_bootstrap(node, limits)))
    done = subprocess.run(
        [find_envoy(), "--mode", "validate", *arguments("envoy.json", 1)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
