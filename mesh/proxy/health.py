"""Is the sidecar ready: what 15021 and 15020 answer at /healthz/ready, and admin at /ready."""

from __future__ import annotations

from mesh.proxy.admin_http import Request, Response
from mesh.proxy.admin_view import AdminView

READY_PATH = "/healthz/ready"


def why_not_ready(view: AdminView) -> str:
    """The reason, or "" when this sidecar takes traffic: configured, not draining, not failed by hand."""
    if view.state == "PRE_INITIALIZING":
        return "no configuration from the control plane yet"
    if view.state == "DRAINING":
        return "draining"
    return "" if view.healthy else "failed by /healthcheck/fail"


def readiness(view: AdminView) -> Response:
    """As Istio's agent answers: 200 with nothing, or 503 with the reason."""
    reason = why_not_ready(view)
    return Response(f"{reason}\n", 503) if reason else Response()


def envoy_ready(view: AdminView) -> Response:
    """As Envoy's /ready: the state, and 200 only when it is LIVE."""
    return Response(f"{view.state}\n", 200 if view.state == "LIVE" else 503)


def health_port(view: AdminView, request: Request) -> Response:
    """All of port 15021."""
    return readiness(view) if request.path == READY_PATH else Response("not found\n", 404)
