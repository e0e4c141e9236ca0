"""15014: the configuration API, the debug pages, metrics, readiness."""

from __future__ import annotations

import time

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from mesh.control_plane.config_api import ConfigApi
from mesh.control_plane.debug_api import DebugApi
from mesh.control_plane.ports import check_free
from mesh.control_plane.replies import one_line_errors, reply
from mesh.mixer.mixer import Mixer
from mesh.model.version import VERSION
from mesh.pilot.discovery import Pilot

MAX_BODY_BYTES = 16 * 1024 * 1024  # of one POST /config
SHUTDOWN_S = 1.0  # what a request that is waiting for proxies gets when the process ends


class StatusPages:
    """The pages machines look at."""

    def __init__(self, pilot: Pilot, mixer: Mixer, registry: CollectorRegistry) -> None:
        self._pilot = pilot
        self._mixer = mixer
        self._registry = registry
        started = time.monotonic()
        uptime = Gauge("istiod_uptime_seconds", "Seconds since the start.", registry=registry)
        uptime.set_function(lambda: time.monotonic() - started)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/ready", self._ready),
            web.get("/version", self._version),
            web.get("/metrics", self._metrics),
            web.get("/mixer/metrics", self._mixer_metrics),
        ]

    async def _ready(self, _: web.Request) -> web.Response:
        """This port opens last, when CA and configuration are loaded and the others listen."""
        return web.Response(text="ready\n")

    async def _version(self, _: web.Request) -> web.Response:
        return reply({"version": VERSION})

    async def _metrics(self, _: web.Request) -> web.Response:
        self._pilot.observe()
        return _exposition(generate_latest(self._registry))

    async def _mixer_metrics(self, _: web.Request) -> web.Response:
        return _exposition(self._mixer.metrics())


def application(config: ConfigApi, debug: DebugApi, status: StatusPages) -> web.Application:
    made = web.Application(middlewares=[one_line_errors], client_max_size=MAX_BODY_BYTES)
    made.add_routes([*status.routes(), *config.routes(), *debug.routes()])
    return made


async def serve(made: web.Application, address: str, port: int) -> web.AppRunner:
    """Listen; ``cleanup()`` of the answer ends it. Raises PortTaken."""
    check_free(address, port)
    runner = web.AppRunner(made, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    await web.TCPSite(runner, address, port).start()
    return runner


def _exposition(text: bytes) -> web.Response:
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})
