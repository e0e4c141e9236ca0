"""What is not HTTP, through the mesh: on every runtime with every engine."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from labs.harness.docker_runtime import DockerRuntime, unavailable
from labs.harness.eventually import eventually
from labs.harness.mesh_api import MeshApi
from labs.harness.process_runtime import ProcessRuntime
from labs.harness.runtime import Runtime, RuntimeOptions
from mesh.model.names import MERGED_METRICS_PORT
from mesh.platform.topology import read_topology

RUNTIMES = {"process": ProcessRuntime, "docker": DockerRuntime}
ECHO = """
    command: [python, -m, labs.apps.tcp_echo]
    labels: {{mesh.service: echo, mesh.service-account: echo, mesh.port: "tcp:9000", app: echo, version: {v}}}
    environment: {{PORT: "9000", SERVICE_VERSION: {v}}}
"""
MAIL = """
    command: [python, -m, labs.apps.tcp_echo]
    labels: {{mesh.service: {name}, mesh.service-account: mail, mesh.port: "{port}:2500", app: {name}}}
    environment: {{PORT: "2500", GREETING: "220 mail"}}
"""
# mail and post speak first, one on a port that says it is bytes, one on a port that says nothing, where
# details speaks HTTP
TOPOLOGY = f"""
services:
  echo-v1: {ECHO.format(v="v1")}
  echo-v2: {ECHO.format(v="v2")}
  mail-v1: {MAIL.format(name="mail", port="tcp-smtp")}
  post-v1: {MAIL.format(name="post", port="smtp")}
  details-v1:
    command: [python, -m, labs.apps.details]
    labels: {{mesh.service: details, mesh.service-account: details, mesh.port: "web:9080", app: details}}
    environment: {{PORT: "9080"}}
  client:
    command: [sleep, "3600"]
    labels: {{app: client}}
"""
ALL_TO_V2 = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo}
spec:
  host: echo
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: echo}
spec:
  hosts: [echo]
  tcp:
  - route:
    - {destination: {host: echo, subset: v1}, weight: 0}
    - {destination: {host: echo, subset: v2}, weight: 100}
"""
# argv: the service in capitals, its port, what to say first; prints the first line that comes
SAY = """
import os, socket, sys
name, port, words = sys.argv[1:]
host = os.environ[name + "_SERVICE_HOST"]
with socket.create_connection((host, int(port)), 20) as connection:
    connection.sendall(words.encode().decode("unicode_escape").encode())
    print(connection.makefile("rb").readline().decode().strip())
"""


@pytest.fixture
async def mesh(combination: tuple[str, str], tmp_path: Path) -> AsyncIterator[Runtime]:
    runtime_name, engine = combination
    if runtime_name == "docker" and (reason := unavailable(lambda line: print(line, file=sys.stderr))):
        pytest.skip(reason)
    runtime = RUNTIMES[runtime_name](RuntimeOptions(tmp_path, dataplane=engine))
    try:
        await runtime.up(read_topology(TOPOLOGY))
        yield runtime
    finally:
        await runtime.down()


async def say(mesh: Runtime, service: str, port: int, words: str = "") -> str:
    process = await mesh.exec("client", ["python", "-c", SAY, service, str(port), words])
    lines = [line async for line in process.lines()]
    await process.wait()
    return "\n".join(lines)


async def counted(mesh: Runtime, pod: str, metric: str, **labels: str) -> float:
    """The sum of a metric's samples with these labels at a pod's sidecar."""
    url = f"http://{mesh.address(pod)}:{MERGED_METRICS_PORT}/stats/prometheus"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        text = "".join(
            line + "\n" for line in (await response.text()).splitlines() if line.startswith(metric)
        )
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


async def test_bytes_go_where_the_rules_say_and_are_counted(mesh: Runtime) -> None:
    # one of the two alone: 2 ** -23
    assert {await say(mesh, "ECHO", 9000, "hi\\n") for _ in range(24)} == {"v1 hi", "v2 hi"}
    await MeshApi(mesh.control_plane).apply(ALL_TO_V2, "echo.yaml")
    assert {await say(mesh, "ECHO", 9000, "hi\\n") for _ in range(4)} == {"v2 hi"}
    assert await say(mesh, "MAIL", 2500) == "220 mail"
    assert await say(mesh, "POST", 2500) == "220 mail"
    head = await say(mesh, "DETAILS", 9080, "GET /details/0 HTTP/1.1\\r\\nhost: any\\r\\n\\r\\n")
    assert head == "HTTP/1.1 200 OK"

    principals = {
        "source_principal": "spiffe://cluster.local/ns/default/sa/default",
        "destination_principal": "spiffe://cluster.local/ns/default/sa/echo",
    }

    async def both_sides() -> bool | None:
        opened, sent = "istio_tcp_connections_opened_total", "istio_tcp_sent_bytes_total"
        near = {"reporter": "source", "destination_service_name": "echo"}
        far = {"reporter": "destination", "connection_security_policy": "mutual_tls"}
        bytes_at = [
            await counted(mesh, f"echo-{version}", sent, **far, **principals) for version in ("v1", "v2")
        ]
        found = (
            await counted(mesh, "client", opened, **near, **principals),
            await counted(mesh, "client", "istio_tcp_connections_closed_total", **near),
            sum(bytes_at),
            await counted(mesh, "mail-v1", opened, reporter="destination"),
            await counted(mesh, "post-v1", opened, reporter="destination"),
            await counted(mesh, "details-v1", "istio_requests_total", reporter="destination"),
        )
        return True if found == (28, 28, 28 * 6, 1, 1, 1) else None

    await eventually("both sides have counted all connections", both_sides, 10)
