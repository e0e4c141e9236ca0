"""What is compared: request paths client sidecar -> server sidecar -> origin, each with its budget.

Both engines get their configuration from the same control plane code, so they run the same filters:
metadata exchange, fault, routing, Istio's access log line to a file and an entry to mixer; ours counts
Istio's standard metrics as well, which for Envoy its agent does in a process of its own (not counted here).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from loadtests.bench.load import Protocol
from mesh.model.node import ServicePort
from mesh.model.protocol import protocol_of
from mesh.platform.topology import Topology, Workload

CLIENT = "client"
SERVER = "echo"
MEBIBYTE = 1 << 20

# number: name, what the origin answers there, bytes of its bodies
PORTS = {
    9080: ("http", "http", 200),
    9081: ("http-large", "http", MEBIBYTE),
    9082: ("tcp", "http", 200),
    9083: ("grpc", "grpc", 200),
    9084: ("http2", "http", 200),
    9085: ("http-fresh", "http", 200),
}
VIRTUAL_HOSTS, ROUTES = 1000, 10

_PEER_AUTHENTICATION = """\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: istio-system}}
spec: {{mtls: {{mode: {mode}}}}}
"""
# port 9085: the client sidecar makes a connection for each request
_FRESH = """\
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: echo, namespace: default}
spec:
  host: echo
  trafficPolicy:
    portLevelSettings:
      - {port: {number: 9085}, connectionPool: {http: {maxRequestsPerConnection: 1}}}
"""
_OTHER_ROUTE = """\
    - match: [{{uri: {{prefix: /v{route}/}}}}]
      route: [{{destination: {{host: echo, port: {{number: 9080}}}}}}]
"""
_VIRTUAL_SERVICE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: host-{number}, namespace: default}}
spec:
  hosts: [host-{number}.example.com]
  http:
{others}    - route: [{{destination: {{host: echo, port: {{number: 9080}}}}}}]
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """``budget``: the highest ratio of CPU per request to Envoy's that is within the plan.

    ``whole``: also told is what each sidecar takes, how many requests that makes, and latency.
    ``virtual_hosts``: the requests go to so many in turn.
    """

    key: str
    name: str
    budget: float | None
    port: int = 9080
    mtls_mode: str = "DISABLE"
    protocol: Protocol = "http1"
    connections: int = 32
    streams: int = 1
    whole: bool = False
    virtual_hosts: int = 1

    @property
    def yaml(self) -> str:
        documents = [_PEER_AUTHENTICATION.format(mode=self.mtls_mode) + _FRESH]
        if self.virtual_hosts > 1:
            documents += [_virtual_service(number) for number in range(self.virtual_hosts)]
        return "---\n".join(documents)

    @property
    def authority(self) -> str:
        return "host-{}.example.com" if self.virtual_hosts > 1 else f"{SERVER}:{self.port}"


PLAINTEXT = Setting("plaintext", "plaintext", 0.75, whole=True)
MTLS = Setting("mtls", "mTLS pair", 0.75, mtls_mode="STRICT", whole=True)
ROUTING = Setting("routing", "1,000 virtual hosts x 10 routes", None, virtual_hosts=VIRTUAL_HOSTS)
SETTINGS = (
    PLAINTEXT,
    MTLS,
    Setting("bodies", "1 MB bodies", 1.0, port=9081, connections=8),
    Setting("tcp", "TCP relay, 0.3 kB there and back", 1.0, port=9082),
    Setting("grpc", "gRPC unary", 1.5, port=9083, protocol="grpc", connections=4, streams=8),
    Setting("http2", "HTTP/2", 1.5, port=9084, protocol="http2", connections=4, streams=8),
    Setting("connections", "new plain connection each", 1.0, port=9085),
    Setting("handshakes", "new mTLS connection each", 1.0, port=9085, mtls_mode="STRICT"),
)


def _virtual_service(number: int) -> str:
    """Ten routes, of which the load's path takes the last."""
    others = "".join(_OTHER_ROUTE.format(route=route) for route in range(ROUTES - 1))
    return _VIRTUAL_SERVICE.format(number=number, others=others)


def topology() -> Topology:
    """One server, the origin, and one client, which only sleeps: the load runs beside it."""
    return Topology(
        (
            Workload(
                name=SERVER,
                command=(sys.executable, "-m", "loadtests.bench.origin"),
                service=SERVER,
                service_account="echo",
                ports=tuple(
                    ServicePort(name, number, number, protocol_of(name, number))
                    for number, (name, _, _) in PORTS.items()
                ),
                labels={"app": SERVER, "version": "v1"},
                environment={"PORTS": ",".join(f"{n}:{kind}:{size}" for n, (_, kind, size) in PORTS.items())},
            ),
            Workload(
                name=CLIENT,
                command=(sys.executable, "-c", "import signal; signal.pause()"),
                service_account="client",
                labels={"app": CLIENT, "version": "v1"},
            ),
        )
    )
