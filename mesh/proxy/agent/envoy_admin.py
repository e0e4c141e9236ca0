"""Envoy's admin interface, asked over HTTP. Each call runs on a thread: they are few, and far between."""

from __future__ import annotations

import asyncio
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote

from mesh.model.names import ADMIN_PORT
from mesh.proxy.agent.envoy_stats import read_stats

TIMEOUT_S = 5.0


class AdminError(OSError):
    """Envoy did not answer, or not with 200."""


class EnvoyAdmin:
    def __init__(self, address: str, port: int = ADMIN_PORT) -> None:
        self._address = address
        self._port = port

    async def get(self, path: str) -> str:
        """Raises AdminError."""
        return await asyncio.to_thread(self._call, "GET", path)

    async def post(self, path: str) -> str:
        """What changes something must be a POST. Raises AdminError."""
        return await asyncio.to_thread(self._call, "POST", path)

    async def stats(self, filter_regex: str) -> dict[str, int]:
        """The numbers whose names match. Raises AdminError."""
        return read_stats(await self.get(f"/stats?filter={quote(filter_regex)}"))

    def _call(self, method: str, path: str) -> str:
        connection = HTTPConnection(self._address, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            body = answer.read().decode("utf-8", "replace")
        except (OSError, HTTPException) as failure:
            raise AdminError(f"envoy's admin interface: {method} {path}: {failure}") from failure
        finally:
            connection.close()
        if answer.status != 200:
            raise AdminError(f"envoy's admin interface: {method} {path}: {answer.status} {body.strip()}")
        return body
