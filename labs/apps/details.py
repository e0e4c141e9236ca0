"""details: facts about a book. ``GET /details/{id}``."""

from __future__ import annotations

from aiohttp import web

from labs.apps.serving import Settings, run

BOOK = {
    "author": "William Shakespeare",
    "year": 1595,
    "type": "paperback",
    "pages": 200,
    "publisher": "PublisherA",
    "language": "English",
    "ISBN-10": "1234567890",
    "ISBN-13": "123-1234567890",
}


async def details(request: web.Request) -> web.Response:
    return web.json_response({"id": int(request.match_info["id"]), **BOOK})


def build(app: web.Application, settings: Settings) -> None:
    app.router.add_get(r"/details/{id:\d+}", details)


if __name__ == "__main__":
    run("details", build)
