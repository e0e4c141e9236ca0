"""A host that only a ServiceEntry knows, and whose endpoint is in the mesh: mutual TLS by its account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from labs.harness.mesh_api import MeshApi
from labs.harness.process_runtime import ProcessRuntime
from labs.harness.runtime import RuntimeOptions
from mesh.platform.topology import read_topology

TOPOLOGY = """
services:
  details-v1:
    command: [python, -m, labs.apps.details]
    labels: {mesh.service: details, mesh.service-account: vm, mesh.port: "http:9080", app: details}
    environment: {PORT: "9080"}
  client: {command: [sleep, "3600"], labels: {app: client}}
"""
ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: vm}
spec:
  hosts: [vm.example]
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 9080}]
  location: MESH_INTERNAL
  resolution: STATIC
  endpoints: [{address: ADDRESS, MORE}]
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict}
spec: {mtls: {mode: STRICT}}
"""


@pytest.mark.parametrize("engine", ["python", pytest.param("envoy", marks=pytest.mark.envoy)])
async def test_its_endpoints_have_to_be_who_the_entry_says(
    engine: str, tmp_path: Path, get: Callable[[ProcessRuntime, str], Awaitable[str]]
) -> None:
    runtime = ProcessRuntime(RuntimeOptions(tmp_path, dataplane=engine))  # type: ignore[arg-type]
    try:
        await runtime.up(read_topology(TOPOLOGY))
        text = ENTRY.replace("ADDRESS", runtime.address("details-v1"))
        answers = {}
        for said in (
            "serviceAccount: vm",
            "serviceAccount: stranger",
            "labels: {security.istio.io/tlsMode: istio}",
            "labels: {app: vm}",
        ):
            await MeshApi(runtime.control_plane).apply(text.replace("MORE", said), "vm.yaml")
            answers[said] = (await get(runtime, "http://vm.example/details/0"))[:3]
    finally:
        await runtime.down()
    assert answers == {
        "serviceAccount: vm": "200",
        "serviceAccount: stranger": "503",
        "labels: {security.istio.io/tlsMode: istio}": "200",  # anybody of the mesh
        "labels: {app: vm}": "503",  # plaintext, which is refused
    }
