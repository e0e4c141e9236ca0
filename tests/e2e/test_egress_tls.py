"""Istio's task "Egress TLS Origination", without gateways: the application speaks plaintext to port 80, its
sidecar TLS to the port that the ServiceEntry says. From the YAML to the wire, with every engine."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from labs.harness.authority import Authority, load_identity
from labs.harness.mesh_api import MeshApi
from labs.harness.process_runtime import ProcessRuntime
from labs.harness.runtime import RuntimeOptions
from mesh.platform.topology import read_topology

HOST = "api.example"
URL = f"http://{HOST}"
Get = Callable[[ProcessRuntime, str], Awaitable[str]]
TOPOLOGY = "services: {client: {command: [sleep, '3600'], labels: {app: client}}}"
ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: api}
spec:
  hosts: [api.example]
  ports:
  - {number: 80, name: http, protocol: HTTP, targetPort: PORT}
  - {number: 81, name: http-plain, protocol: HTTP, targetPort: PORT}
  location: MESH_EXTERNAL
  resolution: STATIC
  endpoints: [{address: 127.0.0.1, labels: {version: v1}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: api}
spec:
  host: api.example
"""
TO_SUBSET = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: api}
spec:
  hosts: [api.example]
  http:
  - match: [{uri: {prefix: /subset}}]
    route: [{destination: {host: api.example, subset: v1}}]
  - route: [{destination: {host: api.example}}]
"""


@dataclass
class Outside:
    """An HTTPS server; it answers with the name it was asked for in the handshake and who asked."""

    port: int
    roots: Path  # whose certificate it has
    strangers: Path  # somebody else
    client: Path  # a certificate its clients may show, beside it its key (.key)

    @property
    def settings(self) -> str:
        return f"mode: SIMPLE, caCertificates: {self.roots}"

    @property
    def mutual(self) -> str:
        shown = f"clientCertificate: {self.client}, privateKey: {self.client.with_suffix('.key')}"
        return f"mode: MUTUAL, caCertificates: {self.roots}, {shown}"


@asynccontextmanager
async def outside(directory: Path) -> AsyncIterator[Outside]:
    authority = Authority()
    shown, visitor = authority.issue("api", HOST), authority.issue("visitor")
    roots, strangers, client = (directory / f"{name}.pem" for name in ("roots", "strangers", "client"))
    roots.write_bytes(authority.root_pem)
    strangers.write_bytes(Authority("Strangers").root_pem)
    client.write_bytes(visitor.chain_pem)
    client.with_suffix(".key").write_bytes(visitor.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_identity(context, shown.key_pem + shown.chain_pem)
    context.load_verify_locations(roots)
    context.verify_mode = ssl.CERT_OPTIONAL
    names: dict[object, str | None] = {}

    def heard(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        names[connection] = name

    context.sni_callback = heard

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = writer.get_extra_info("ssl_object")
        subject = dict(pair for (pair,) in (connection.getpeercert() or {}).get("subject", ()))
        body = f"{names[connection]} {subject.get('commonName')}".encode()
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    try:
        yield Outside(server.sockets[0].getsockname()[1], roots, strangers, client)
    finally:
        server.close()


@pytest.mark.parametrize("engine", ["python", pytest.param("envoy", marks=pytest.mark.envoy)])
async def test_plaintext_becomes_tls_on_its_way_out(engine: str, tmp_path: Path, get: Get) -> None:
    runtime = ProcessRuntime(RuntimeOptions(tmp_path, dataplane=engine))  # type: ignore[arg-type]
    async with outside(tmp_path) as api:
        try:
            await runtime.up(read_topology(TOPOLOGY))
            mesh = MeshApi(runtime.control_plane)

            async def told(rule: str, more: str = "") -> None:
                await mesh.apply(ENTRY.replace("PORT", str(api.port)) + f"  {rule}\n{more}", "api.yaml")

            await told("trafficPolicy: {tls: {mode: DISABLE}}")
            assert (await get(runtime, URL)).startswith("503")  # nothing but TLS is understood there

            await told(f"trafficPolicy: {{tls: {{{api.settings}}}}}")
            assert await get(runtime, URL) == "200 api.example None"
            await told(f"trafficPolicy: {{tls: {{mode: SIMPLE, caCertificates: {api.strangers}}}}}")
            assert (await get(runtime, URL)).startswith("503")
            await told(f"trafficPolicy: {{tls: {{{api.settings}, subjectAltNames: [other.example]}}}}")
            assert (await get(runtime, URL)).startswith("503")
            await told(f"trafficPolicy: {{tls: {{{api.settings}, sni: www.example}}}}")
            assert await get(runtime, URL) == "200 www.example None"  # a name to tell, and none to check

            of_port = f"{{port: {{number: 80}}, tls: {{{api.mutual}}}}}"
            await told(f"trafficPolicy: {{portLevelSettings: [{of_port}]}}")
            assert await get(runtime, URL) == "200 api.example visitor"
            assert (await get(runtime, f"{URL}:81/")).startswith("503")

            subset = "subsets: [{{name: v1, labels: {{version: v1}}, trafficPolicy: {{{}}}}}]".format
            await told(subset(f"tls: {{{api.mutual}}}"), TO_SUBSET)
            assert await get(runtime, f"{URL}/subset") == "200 api.example visitor"
            assert (await get(runtime, URL)).startswith("503")

            of_both = subset(f"portLevelSettings: [{of_port}]")
            await told(f"trafficPolicy: {{tls: {{{api.settings}}}}}\n  {of_both}", TO_SUBSET)
            assert await get(runtime, f"{URL}/subset") == "200 api.example visitor"
            assert await get(runtime, f"{URL}:81/subset") == "200 api.example None"
            assert await get(runtime, URL) == "200 api.example None"
        finally:
            await runtime.down()
