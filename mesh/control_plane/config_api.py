"""Configuration over HTTP: POST, GET and DELETE on /config.

A change answers with the generation that has it; ``?wait=<seconds>`` answers only when every proxy serves
that generation or has refused it, or when the time is over, and says who is how far.
"""

from __future__ import annotations

from aiohttp import web

from mesh.control_plane.replies import BadRequest, admins_only, error, progress_json, reply, wait_of
from mesh.galley.api.kinds import KINDS
from mesh.galley.fault import did_you_mean
from mesh.galley.galley import Galley, NotDeletable
from mesh.pilot.discovery import Pilot
from mesh.pilot.status import Progress


class ConfigApi:
    """Galley tells pilot of a change before ``apply`` returns, so pilot's generation then has it."""

    def __init__(self, galley: Galley, pilot: Pilot, admin_token: str) -> None:
        self._galley = galley
        self._pilot = pilot
        self._admin_token = admin_token

    def routes(self) -> list[web.RouteDef]:
        one = "/config/{kind}/{namespace}/{name}"
        return [
            web.post("/config", admins_only(self._admin_token, self._apply)),
            web.delete(one, admins_only(self._admin_token, self._delete)),
            *(
                web.get(path, self._list)
                for path in ("/config", "/config/{kind}", "/config/{kind}/{namespace}", one)
            ),
        ]

    async def _apply(self, request: web.Request) -> web.Response:
        """Good objects are taken and bad ones are not; 400 when there is any fault."""
        wait_s = wait_of(request)
        try:
            text = (await request.read()).decode()
        except UnicodeDecodeError as wrong:
            raise BadRequest(f"expected YAML in UTF-8: {wrong}") from wrong
        result = self._galley.apply(text, request.query.get("file", "<apply>"))
        generation = self._pilot.generation
        answer = result.to_json() | {
            "generation": generation,
            "wait": progress_json(await self._wait(generation, wait_s)),
        }
        return reply(answer, 400 if result.faults else 200)

    async def _delete(self, request: web.Request) -> web.Response:
        wait_s = wait_of(request)
        kind, namespace, name = (request.match_info[part] for part in ("kind", "namespace", "name"))
        try:
            found = self._galley.delete(kind, namespace, name)
        except NotDeletable as refused:
            return error(409, str(refused))
        except OSError as fault:
            return error(500, f"cannot be deleted: {fault}")
        if found is None:
            return error(404, f"{kind} {namespace}/{name}: not found")
        generation = self._pilot.generation
        return reply(
            {
                "generation": generation,
                "deleted": {"kind": kind, "namespace": namespace, "name": name},
                "wait": progress_json(await self._wait(generation, wait_s)),
            }
        )

    async def _list(self, request: web.Request) -> web.Response:
        path = request.match_info
        found = self._galley.list(_kind(request), path.get("namespace"), path.get("name"))
        return reply([stored.to_json() for stored in found])

    async def _wait(self, generation: int, wait_s: float | None) -> Progress | None:
        return None if wait_s is None else await self._pilot.wait_acked(generation, wait_s)


def _kind(request: web.Request) -> str | None:
    """The path's kind, None for all. Raises BadRequest for one nobody knows."""
    kind = request.match_info.get("kind")
    if kind is not None and kind not in KINDS:
        raise BadRequest(
            f"kind: expected one of {', '.join(sorted(KINDS))}, got {kind}{did_you_mean(kind, KINDS)}"
        )
    return kind
