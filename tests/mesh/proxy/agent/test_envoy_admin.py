from __future__ import annotations

import pytest

from mesh.proxy.admin_http import HttpServer, Request, Response
from mesh.proxy.agent.envoy_admin import AdminError, EnvoyAdmin


def answer(request: Request) -> Response:
    if request.path == "/stats":
        return Response(f"asked.{request.query['filter']}: 1\n")
    return Response(f"{request.method} {request.path}", 200 if request.path == "/ok" else 404)


async def test_asks_and_tells() -> None:
    server = HttpServer(answer)
    await server.start("127.0.0.1", 0)
    admin = EnvoyAdmin(*server.address)
    assert await admin.get("/ok") == "GET /ok"
    assert await admin.post("/ok") == "POST /ok"
    assert await admin.stats("^a|b$") == {"asked.^a|b$": 1}
    with pytest.raises(AdminError, match="GET /none: 404"):
        await admin.get("/none")
    await server.stop()
    with pytest.raises(AdminError, match="refused"):
        await admin.get("/ok")
