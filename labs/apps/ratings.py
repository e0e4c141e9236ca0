"""ratings: the stars two reviewers gave. ``GET /ratings/{id}``."""

from __future__ import annotations

from aiohttp import web

from labs.apps.serving import Settings, run

STARS = {"Reviewer1": 5, "Reviewer2": 4}


async def ratings(request: web.Request) -> web.Response:
    return web.json_response({"id": int(request.match_info["id"]), "ratings": STARS})


def build(app: web.Application, settings: Settings) -> None:
    app.router.add_get(r"/ratings/{id:\d+}", ratings)


if __name__ == "__main__":
    run("ratings", build)
