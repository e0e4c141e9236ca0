"""The admin interface on 15000: Envoy's paths, methods and answers, over what an ``AdminView`` shows.

Two tables say everything there is. A path that changes something takes POST only; asked with GET it
answers 400 and does nothing. A path that is not there answers 404 with the list of those that are.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import re2

from mesh.model.version import VERSION
from mesh.proxy import admin_pages, exposition, istio_exposition
from mesh.proxy.admin_http import Request, Response
from mesh.proxy.admin_view import AdminView
from mesh.proxy.config_dump import config_dump, dump_of
from mesh.proxy.health import envoy_ready
from mesh.proxy.stats import Stats

Page = Callable[[AdminView, Request], Response]

# Envoy's server.state
_STATES = {"LIVE": 0, "DRAINING": 1, "PRE_INITIALIZING": 2}
_LEVELS = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
    "off": logging.CRITICAL + 1,
}


def answer(view: AdminView, request: Request) -> Response:
    """One request to the admin port."""
    read, change = READ.get(request.path), CHANGE.get(request.path)
    if request.method in ("GET", "HEAD") and read is not None:
        return read[1](view, request)
    if request.method == "POST" and change is not None:
        return change[1](view, request)
    if change is not None:
        return Response(f"Method {request.method} not allowed, POST required.\n", 400)
    if read is not None:
        return Response(f"Method {request.method} not allowed, GET required.\n", 400)
    return Response("invalid path. " + _help_text(), 404)


def prometheus_text(view: AdminView) -> Response:
    """The page Prometheus scrapes, on 15000, 15020 and 15090: Envoy's stats and Istio's."""
    tally = view.tally()
    _refresh_server_stats(view, tally.stats)
    text = exposition.prometheus(tally.stats) + istio_exposition.prometheus(tally.istio_stats, VERSION)
    return Response(text, content_type=exposition.CONTENT_TYPE)


def _refresh_server_stats(view: AdminView, stats: Stats) -> None:
    """Gauges that are only true when they are read."""
    gauge = stats.gauge
    gauge("server.uptime").value = int(time.time() - view.started_at)
    gauge("server.state").value = _STATES[view.state]
    gauge("server.live").value = int(view.state == "LIVE")
    gauge("server.concurrency").value = view.concurrency
    gauge("server.memory_allocated").value = int(admin_pages.memory(view)["allocated"])


def _stats(view: AdminView, request: Request) -> Response:
    query = request.query
    if query.get("format") == "prometheus":
        return prometheus_text(view)
    try:
        wanted = re2.compile(query.get("filter", ""))
    except re2.error as error:
        return Response(f"Invalid re2 regex: {error}\n", 400)
    if query.get("format", "text") not in ("text", "json"):
        return Response("usage: /stats?format=(text|json|prometheus)\n", 400)
    stats = view.tally().stats
    _refresh_server_stats(view, stats)
    numbers = exposition.selected(
        stats, lambda name: wanted.search(name) is not None, used_only="usedonly" in query
    )
    if query.get("format") == "json":
        return Response(exposition.as_json(numbers) + "\n", content_type="application/json")
    return Response(exposition.plain(numbers))


def _config_dump(view: AdminView, request: Request) -> Response:
    resource = request.query.get("resource")
    if resource is None:
        return Response.json(config_dump(view, include_eds="include_eds" in request.query))
    dump = dump_of(view, resource)
    if dump is None:
        return Response(f"{resource} not found in config dump\n", 404)
    return Response.json(dump)


def _clusters(view: AdminView, request: Request) -> Response:
    if request.query.get("format") == "json":
        return Response.json(admin_pages.clusters_json(view))
    return Response(admin_pages.clusters_text(view))


def _listeners(view: AdminView, request: Request) -> Response:
    if request.query.get("format") == "json":
        return Response.json(admin_pages.listeners_json(view))
    return Response(admin_pages.listeners_text(view))


def _help_text() -> str:
    lines = ["admin commands are:\n"]
    for path, (line, _) in sorted(READ.items()):
        lines.append(f"  {path}: {line}\n")
    for path, (line, _) in sorted(CHANGE.items()):
        lines.append(f"  {path} (POST): {line}\n")
    return "".join(lines)


def _done(action: Callable[[], None]) -> Response:
    action()
    return Response("OK\n")


def _logging(view: AdminView, request: Request) -> Response:
    """``?level=debug`` for all of the proxy, ``?<logger>=debug`` for one; without either: what is set."""
    for key, value in request.query.items():
        if value not in _LEVELS:
            return Response(f"error: unknown logger level {value!r}, one of {', '.join(_LEVELS)}\n", 400)
        view.set_level("mesh" if key == "level" else f"mesh.{key}", _LEVELS[value])
    names = sorted(name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "mesh")
    levels = (
        f"  {name}: {logging.getLevelName(logging.getLogger(name).getEffectiveLevel()).lower()}\n"
        for name in names
    )
    return Response("active loggers:\n" + "".join(levels))


READ: dict[str, tuple[str, Page]] = {
    "/": ("this list", lambda view, request: Response(_help_text())),
    "/help": ("this list", lambda view, request: Response(_help_text())),
    "/certs": (
        "the certificates in use",
        lambda view, request: Response.json(
            admin_pages.certs_json(view.secrets(), view.config().resources.secrets, time.time())
        ),
    ),
    "/clusters": ("clusters and their endpoints, ?format=json", _clusters),
    "/config_dump": ("the configuration in force, ?include_eds, ?resource=", _config_dump),
    "/listeners": ("the sockets that are open, ?format=json", _listeners),
    "/memory": ("resident memory", lambda view, request: Response.json(admin_pages.memory(view))),
    "/ready": ("200 when LIVE, else 503", lambda view, request: envoy_ready(view)),
    "/server_info": (
        "version, state, uptime, node",
        lambda view, request: Response.json(admin_pages.server_info(view, time.time())),
    ),
    "/stats": ("counters and gauges, ?filter=regex, ?usedonly, ?format=json|prometheus", _stats),
    "/stats/prometheus": (
        "the same for Prometheus, and Istio's metrics",
        lambda view, request: prometheus_text(view),
    ),
}
CHANGE: dict[str, tuple[str, Page]] = {
    "/drain_listeners": (
        "stop accepting, ?graceful: let clients leave first",
        lambda view, request: _done(lambda: view.drain(graceful="graceful" in request.query)),
    ),
    "/healthcheck/fail": (
        "not ready until /healthcheck/ok",
        lambda view, request: _done(lambda: view.set_healthy(False)),
    ),
    "/healthcheck/ok": (
        "ready again after /healthcheck/fail",
        lambda view, request: _done(lambda: view.set_healthy(True)),
    ),
    "/logging": ("show or set log levels, ?level=debug, ?<logger>=debug", _logging),
    "/quitquitquit": ("end the sidecar in order", lambda view, request: _done(view.quit)),
    "/reset_counters": ("set all counters to zero", lambda view, request: _done(view.reset)),
}
