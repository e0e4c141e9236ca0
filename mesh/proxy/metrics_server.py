"""A sidecar's own four ports, served from its ``AdminView``.

15000  admin                 on the admin address
15020  merged metrics, readiness, /quitquitquit
15021  readiness             } where Prometheus and probes come from
15090  metrics
"""

from __future__ import annotations

from mesh.model.names import ADMIN_PORT, ENVOY_METRICS_PORT, HEALTH_PORT, MERGED_METRICS_PORT
from mesh.model.node import Node
from mesh.proxy.admin import answer, prometheus_text
from mesh.proxy.admin_http import HttpServer, Request, Response
from mesh.proxy.admin_view import AdminView
from mesh.proxy.health import READY_PATH, health_port, readiness

METRICS_PATH = "/stats/prometheus"


def metrics_port(view: AdminView, request: Request) -> Response:
    """All of port 15090."""
    return prometheus_text(view) if request.path == METRICS_PATH else Response("not found\n", 404)


def merged_port(view: AdminView, request: Request) -> Response:
    """All of port 15020 (in Istio the agent's)."""
    if request.path == "/quitquitquit":
        return answer(view, request)
    if request.path == READY_PATH:
        return readiness(view)
    return metrics_port(view, request)


def open_address(node: Node) -> str:
    """Where the ports for others are: in a network namespace of its own anywhere, else its own address."""
    return "0.0.0.0" if node.owns_its_network else node.address


class SidecarPorts:
    """Start it before the first configuration: "not ready" is an answer, "connection refused" is none."""

    def __init__(self, view: AdminView) -> None:
        self._view = view
        self._servers: list[HttpServer] = []

    async def start(self) -> None:
        """Raises OSError when a port is taken; those already open are closed again."""
        view = self._view
        elsewhere = open_address(view.node)
        ports = (
            (view.node.admin_address, ADMIN_PORT, lambda request: answer(view, request)),
            (elsewhere, MERGED_METRICS_PORT, lambda request: merged_port(view, request)),
            (elsewhere, HEALTH_PORT, lambda request: health_port(view, request)),
            (elsewhere, ENVOY_METRICS_PORT, lambda request: metrics_port(view, request)),
        )
        try:
            for address, port, handler in ports:
                server = HttpServer(handler)
                await server.start(address, port)
                self._servers.append(server)
        except OSError:
            await self.stop()
            raise

    async def stop(self) -> None:
        for server in self._servers:
            await server.stop()
        self._servers.clear()
