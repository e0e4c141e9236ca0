from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mesh.proxy.admin_http import Request
from mesh.proxy.health import health_port

if TYPE_CHECKING:
    from tests.mesh.conftest import SidecarView

READY = Request("GET", "/healthz/ready")


def test_a_live_sidecar_is_ready(view: SidecarView) -> None:
    assert health_port(view, READY).status == 200


@pytest.mark.parametrize(
    ("state", "healthy", "reason"),
    [
        ("PRE_INITIALIZING", True, "no configuration"),
        ("DRAINING", True, "draining"),
        ("LIVE", False, "/healthcheck/fail"),
    ],
)
def test_one_that_is_not_says_why(view: SidecarView, state: str, healthy: bool, reason: str) -> None:
    view.state, view.healthy = state, healthy  # type: ignore[assignment]
    response = health_port(view, READY)
    assert response.status == 503
    assert reason in str(response.body)


def test_there_is_nothing_else_on_the_port(view: SidecarView) -> None:
    assert health_port(view, Request("GET", "/")).status == 404
