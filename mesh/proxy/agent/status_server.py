"""The agent's own ports: 15020 with Envoy's metrics and Istio's on one page, 15021 for readiness probes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from mesh.model.names import HEALTH_PORT, MERGED_METRICS_PORT
from mesh.proxy import exposition, istio_exposition
from mesh.proxy.admin_http import HttpServer, Request, Response
from mesh.proxy.agent.envoy_admin import AdminError, EnvoyAdmin
from mesh.proxy.agent.envoy_stats import READINESS_FILTER, why_not_ready
from mesh.proxy.exposition import CONTENT_TYPE
from mesh.proxy.health import READY_PATH
from mesh.proxy.istio_stats import IstioStats
from mesh.proxy.stats import Stats


class StatusServer:
    """``sender`` says what became of the access log entries for mixer.

    ``quit`` is called by a POST to /quitquitquit (Istio's way for jobs to end their sidecar).
    """

    def __init__(
        self, admin: EnvoyAdmin, stats: IstioStats, sender: Stats, version: str, quit: Callable[[], None]
    ) -> None:
        self.draining = False
        self._admin = admin
        self._stats = stats
        self._sender = sender
        self._version = version
        self._quit = quit
        self._servers = {
            MERGED_METRICS_PORT: HttpServer(self._metrics_port),
            HEALTH_PORT: HttpServer(self._health),
        }

    async def start(self, address: str) -> None:
        """Raises OSError when a port is taken."""
        for port, server in self._servers.items():
            await server.start(address, port)

    async def stop(self) -> None:
        for server in self._servers.values():
            await server.stop()

    async def why_not_ready(self) -> str:
        """The reason, or "" when the sidecar takes traffic."""
        if self.draining:
            return "draining"
        try:
            return why_not_ready(await self._admin.stats(READINESS_FILTER))
        except AdminError as failure:
            return str(failure)

    async def _health(self, request: Request) -> Response:
        if request.path != READY_PATH:
            return Response("not found\n", 404)
        reason = await self.why_not_ready()
        return Response(f"{reason}\n", 503) if reason else Response()

    async def _metrics_port(self, request: Request) -> Response:
        match request.method, request.path:
            case "GET" | "HEAD", "/stats/prometheus":
                return await self._metrics()
            case "POST", "/quitquitquit":
                # after the answer is written
                asyncio.get_running_loop().call_soon(self._quit)
                return Response("OK\n")
            case _, "/quitquitquit":
                return Response("expected a POST\n", 405)
        return await self._health(request)

    async def _metrics(self) -> Response:
        """Without Envoy's part while it is not there yet: our counts are still of use."""
        try:
            envoy = await self._admin.get("/stats/prometheus")
        except AdminError as failure:
            envoy = f"# {failure}\n"
        ours = exposition.prometheus(self._sender) + istio_exposition.prometheus(self._stats, self._version)
        return Response(envoy + ours, 200, CONTENT_TYPE)
