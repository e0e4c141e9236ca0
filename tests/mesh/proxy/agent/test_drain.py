from __future__ import annotations

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from mesh.proxy.admin_http import HttpServer, Request, Response
from mesh.proxy.agent.drain import IDLE_S, MIN_DRAIN_S, drain
from mesh.proxy.agent.envoy_admin import EnvoyAdmin


@dataclass
class Envoy:
    """Its admin interface: what was posted, and how many are connected at each look."""

    connected: list[int]
    events: list[str] = field(default_factory=list)
    admin: EnvoyAdmin | None = None

    def handle(self, request: Request) -> Response:
        if request.method == "POST":
            self.events.append(request.path)
            return Response("OK\n")
        now = self.connected.pop(0) if len(self.connected) > 1 else self.connected[0]
        return Response(f"listener.127.0.0.1_9080.downstream_cx_active: {now}\n")

    async def leave(self) -> None:
        self.events.append("leave")


@pytest.fixture
async def envoy() -> AsyncIterator[Envoy]:
    made = Envoy([0])
    server = HttpServer(made.handle)
    await server.start("127.0.0.1", 0)
    made.admin = EnvoyAdmin(*server.address)
    yield made
    await server.stop()


async def drained(envoy: Envoy, duration_s: float) -> float:
    assert envoy.admin is not None
    began = time.monotonic()
    await drain(envoy.admin, envoy.leave, duration_s)
    return time.monotonic() - began


async def test_leaves_the_registry_before_envoy_turns_anybody_away(envoy: Envoy) -> None:
    await drained(envoy, 0.1)
    assert envoy.events == ["leave", "/healthcheck/fail", "/drain_listeners"]


async def test_ends_when_the_last_connection_has(envoy: Envoy) -> None:
    envoy.connected = [2, 1, 0]
    assert MIN_DRAIN_S <= await drained(envoy, 60) < 10


async def test_the_last_access_logs_are_waited_for(envoy: Envoy) -> None:
    envoy.connected = [1] * 10 + [0]
    assert await drained(envoy, 60) >= 10 * 0.1 + IDLE_S - 0.15


async def test_who_has_not_heard_yet_is_waited_for(envoy: Envoy) -> None:
    assert await drained(envoy, 60) >= MIN_DRAIN_S


async def test_ends_when_the_time_is_up(envoy: Envoy) -> None:
    envoy.connected = [1]
    assert 1.2 <= await drained(envoy, 1.2) < 10


async def test_ends_when_envoy_is_gone(envoy: Envoy) -> None:
    envoy.admin = EnvoyAdmin("127.0.0.1", 1)
    assert await drained(envoy, 60) < 10
    assert envoy.events == ["leave"]
