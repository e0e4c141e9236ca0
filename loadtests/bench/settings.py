"""What is compared: one request path, client sidecar -> server sidecar -> origin, in plaintext and with mTLS.

Both engines get their configuration from the same control plane code, so they run the same filters:
metadata exchange, fault, routing, Istio's access log line to a file and an entry to mixer; ours counts
Istio's standard metrics as well, which for Envoy its agent does in a process of its own (not counted here).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from labs.harness.topology import Topology, Workload
from mesh.model.node import ServicePort

AUTHORITY = "echo:9080"
CLIENT = "client"
SERVER = "echo"

_PEER_AUTHENTICATION = """\
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: istio-system}}
spec: {{mtls: {{mode: {mode}}}}}
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """``budget``: the highest ratio of CPU per request to Envoy's that is within the plan."""

    name: str
    mtls_mode: str
    budget: float

    @property
    def yaml(self) -> str:
        return _PEER_AUTHENTICATION.format(mode=self.mtls_mode)


SETTINGS = (
    Setting("plaintext", "DISABLE", 0.75),
    Setting("mTLS pair", "STRICT", 0.75),
)


def topology(body_bytes: int) -> Topology:
    """One server, the origin, and one client, which only sleeps: the load runs beside it."""
    return Topology(
        (
            Workload(
                name=SERVER,
                command=(sys.executable, "-m", "loadtests.bench.origin"),
                service=SERVER,
                service_account="echo",
                ports=(ServicePort("http", 9080, 9080),),
                labels={"app": SERVER, "version": "v1"},
                environment={"BODY_BYTES": str(body_bytes)},
            ),
            Workload(
                name=CLIENT,
                command=(sys.executable, "-c", "import signal; signal.pause()"),
                service_account="client",
                labels={"app": CLIENT, "version": "v1"},
            ),
        )
    )
