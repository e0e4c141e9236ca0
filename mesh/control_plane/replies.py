"""JSON answers, and what is asked of every request. Every error is ``{"error": "one line"}``."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import asdict

from aiohttp import web

from mesh.control_plane.admin_token import is_admin
from mesh.pilot.status import Progress

MAX_WAIT_S = 600.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BadRequest(Exception):
    """What was asked makes no sense; the text tells the user why."""


def reply(content: object, status: int = 200) -> web.Response:
    return web.Response(
        text=json.dumps(content, indent=1) + "\n", status=status, content_type="application/json"
    )


def error(status: int, message: str) -> web.Response:
    return reply({"error": message}, status)


def admins_only(token: str, handler: Handler) -> Handler:
    """Answer 401 to whoever does not carry the admin token."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        if not is_admin(request.headers.get("Authorization", ""), token):
            return error(401, "expected 'Authorization: Bearer <token>', the token of <data-dir>/admin-token")
        return await handler(request)

    return guarded


@web.middleware
async def one_line_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What goes wrong leaves as JSON: a bad request with its reason, an unknown path, a wrong method."""
    try:
        return await handler(request)
    except BadRequest as bad:
        return error(400, str(bad))
    except web.HTTPException as refused:
        return error(refused.status, f"{request.method} {request.path}: {refused.reason}")


def wait_of(request: web.Request) -> float | None:
    """Seconds of ``?wait=``, None when there is none. Raises BadRequest."""
    text = request.query.get("wait")
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= MAX_WAIT_S:
        raise BadRequest(f"wait: expected seconds, 0..{MAX_WAIT_S:g}, got {text!r}")
    return seconds


def progress_json(progress: Progress | None) -> dict[str, object] | None:
    return None if progress is None else asdict(progress)
