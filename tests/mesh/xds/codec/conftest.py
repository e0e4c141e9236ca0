"""The real Envoy's opinion of what the codec writes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from envoy.config.bootstrap.v3 import bootstrap_pb2
from google.protobuf.json_format import ParseDict

from mesh.model.names import AGENT_CLUSTER, CONTROL_PLANE_CLUSTER
from mesh.proxy.agent.envoy_binary import find_envoy

EnvoySays = Callable[[Sequence[Any], Sequence[Any]], str]


@pytest.fixture
def envoy_says(tmp_path: Path) -> EnvoySays:
    """``envoy --mode validate`` on a bootstrap with packed (listeners, clusters): its complaint, or ""."""

    def ask(listeners: Sequence[Any], clusters: Sequence[Any]) -> str:
        bootstrap = _bootstrap()
        for packed in listeners:
            bootstrap.static_resources.listeners.add().MergeFromString(packed.value)
        for packed in clusters:
            bootstrap.static_resources.clusters.add().MergeFromString(packed.value)
        path = tmp_path / "bootstrap.pb"
        path.write_bytes(bootstrap.SerializeToString())
        command = [find_envoy(), "--mode", "validate", "--disable-hot-restart", "-l", "error", "-c", path]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        return "" if done.returncode == 0 else done.stderr + done.stdout

    return ask


def _bootstrap() -> Any:
    """What the resources refer to: ADS, and the two clusters that every sidecar's bootstrap has."""
    return ParseDict(
        {
            "node": {"id": "test", "cluster": "test"},
            "static_resources": {"clusters": [_grpc(CONTROL_PLANE_CLUSTER), _grpc(AGENT_CLUSTER)]},
            "dynamic_resources": {
                "ads_config": {
                    "api_type": "GRPC",
                    "transport_api_version": "V3",
                    "grpc_services": [{"envoy_grpc": {"cluster_name": CONTROL_PLANE_CLUSTER}}],
                }
            },
        },
        bootstrap_pb2.Bootstrap(),
    )


def _grpc(name: str) -> dict[str, Any]:
    options = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}},
    }
    return {
        "name": name,
        "type": "STATIC",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options
        },
    }
