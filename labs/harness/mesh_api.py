"""The control plane's HTTP API (15014), as the labs use it: apply, wait until every proxy has ACKed, look."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from labs.harness.runtime import ControlPlane, RuntimeFailure

WAIT_S = 15.0  # for every proxy to ACK
MARGIN_S = 10.0  # beyond that, for the answer itself


@dataclass(frozen=True, slots=True)
class Applied:
    """A change, when it is live: ``acked`` proxies serve ``generation``."""

    generation: int
    acked: tuple[str, ...]


class ApplyError(RuntimeFailure):
    """The control plane refused the YAML, or a proxy did."""


class MeshApi:
    """Asks ``where()`` each time, because the control plane may have been restarted in between."""

    def __init__(self, where: Callable[[], ControlPlane]) -> None:
        self._where = where

    async def apply(self, yaml: str, name: str, wait_s: float = WAIT_S) -> Applied:
        """Apply, and return when every proxy serves it. Raises ApplyError naming the fault or the laggard."""
        answer = await self._post(f"/config?wait={wait_s:g}&file={name}", yaml, wait_s)
        faults = answer.get("faults") or []
        if faults:
            raise ApplyError("; ".join(f"{name}:{fault['line']}: {fault['message']}" for fault in faults))
        wait = answer.get("wait") or {}
        if wait.get("rejected"):
            raise ApplyError(f"{name}: refused by {wait['rejected']}")
        if wait.get("pending"):
            raise ApplyError(f"{name}: not ACKed within {wait_s:g} s by {', '.join(wait['pending'])}")
        return Applied(answer["generation"], tuple(wait.get("acked", ())))

    async def syncz(self) -> Mapping[str, Any]:
        """Every connected proxy and what it ACKed."""
        where = self._where()
        try:
            async with _session(MARGIN_S) as session, session.get(f"{where.http}/debug/syncz") as response:
                return await _json(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RuntimeFailure(f"the control plane does not answer: {error!r}") from error

    async def _post(self, path: str, body: str, wait_s: float) -> Mapping[str, Any]:
        where = self._where()
        headers = {"authorization": f"Bearer {where.admin_token}", "content-type": "application/yaml"}
        try:
            async with (
                _session(wait_s + MARGIN_S) as session,
                session.post(where.http + path, data=body.encode(), headers=headers) as response,
            ):
                return await _json(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RuntimeFailure(f"the control plane does not answer: {error!r}") from error


def _session(timeout_s: float) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s))


async def _json(response: aiohttp.ClientResponse) -> Mapping[str, Any]:
    if response.status not in (200, 400):
        raise RuntimeFailure(f"{response.url}: status {response.status}: {(await response.text())[:200]}")
    answer: Mapping[str, Any] = await response.json()
    return answer
