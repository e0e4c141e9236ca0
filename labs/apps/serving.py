"""What the demo services share: settings from the environment, the request log, start and stop.

The request log is the labs' server-side truth: one JSON line for each request a service answered. The
application writes it, so what the mesh claims is checked against something the mesh did not write.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import IO

from aiohttp import web

HEALTH = "/health"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Settings:
    """Where a service listens and what it calls itself; ``log`` is a path, or "-" for standard output."""

    address: str
    port: int
    version: str
    pod: str
    cluster: str
    log: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """BIND_ADDRESS, PORT, SERVICE_VERSION, HOSTNAME, CLUSTER_NAME, APP_LOG; every one has a default."""
        return cls(
            address=environment.get("BIND_ADDRESS", "0.0.0.0"),
            port=int(environment.get("PORT", "9080")),
            version=environment.get("SERVICE_VERSION", "v1"),
            pod=environment.get("HOSTNAME") or socket.gethostname(),
            cluster=environment.get("CLUSTER_NAME", "null"),
            log=environment.get("APP_LOG", "-"),
        )


class RequestLog:
    """One JSON line a request; health probes are not requests."""

    def __init__(self, service: str, settings: Settings, out: IO[str]) -> None:
        self._facts = {"service": service, "version": settings.version, "pod": settings.pod}
        self._out = out

    def write(self, request: web.BaseRequest, status: int) -> None:
        headers = request.headers
        line = {
            "time": time.time(),
            "request_id": headers.get("x-request-id", ""),
            "method": request.method,
            "path": request.path_qs,
            "status": status,
            "peer": request.remote or "",
            "user_agent": headers.get("user-agent", ""),
            "client_cert": headers.get("x-forwarded-client-cert", ""),
            **self._facts,
        }
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


def application(service: str, settings: Settings, out: IO[str] = sys.stdout) -> web.Application:
    """An application with the request log and ``/health``; the service adds its own routes."""
    log = RequestLog(service, settings, out)

    @web.middleware
    async def logged(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            response = await handler(request)
        except web.HTTPException as answer:
            log.write(request, answer.status)
            raise
        if request.path != HEALTH:
            log.write(request, response.status)
        return response

    app = web.Application(middlewares=[logged])
    app.router.add_get(HEALTH, health)
    return app


async def health(request: web.Request) -> web.Response:
    return web.json_response({"status": "healthy"})


def run(service: str, build: Callable[[web.Application, Settings], None]) -> None:
    """Serve until SIGTERM or SIGINT; requests in flight are answered first."""
    settings = Settings.from_environment()
    out = sys.stdout if settings.log == "-" else open(settings.log, "a", encoding="utf-8")
    with out:
        app = application(service, settings, out)
        build(app, settings)
        asyncio.run(_serve(app, settings))


async def _serve(app: web.Application, settings: Settings) -> None:
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=3600.0)
    await runner.setup()
    await web.TCPSite(runner, settings.address, settings.port, shutdown_timeout=5.0).start()
    await until_stopped()
    await runner.cleanup()


async def until_stopped() -> None:
    """Wait for SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
