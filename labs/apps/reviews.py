"""reviews: what two reviewers wrote, with stars from ratings: v2 black, v3 red. ``GET /reviews/{id}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from labs.apps.serving import Settings, run
from labs.apps.upstream import Upstream

STAR_COLORS = {"v2": "black", "v3": "red"}  # v1 asks for no ratings
TEXTS = {
    "Reviewer1": "Two pairs of twins, one harbour, and nobody asks the obvious question. I laughed.",
    "Reviewer2": "A short play in which everyone is mistaken for someone else. Well made, if a little long.",
}
UNAVAILABLE = {"error": "Ratings service is currently unavailable"}


def rating(color: str, status: int, body: Any, reviewer: str) -> Mapping[str, Any]:
    """What a review shows for its stars, from what ratings answered."""
    if status != 200:
        return UNAVAILABLE
    return {"stars": body["ratings"][reviewer], "color": color}


def build(app: web.Application, settings: Settings) -> None:
    color = STAR_COLORS.get(settings.version)
    upstream = Upstream("ratings")

    async def reviews(request: web.Request) -> web.Response:
        book = request.match_info["id"]
        listed: list[dict[str, Any]] = [{"reviewer": name, "text": text} for name, text in TEXTS.items()]
        if color is not None:
            status, body = await upstream.get(f"/ratings/{book}", request.headers)
            for review in listed:
                review["rating"] = rating(color, status, body, review["reviewer"])
        answer = {"id": book, "podname": settings.pod, "clustername": settings.cluster, "reviews": listed}
        return web.json_response(answer)

    async def close(app: web.Application) -> None:
        await upstream.close()

    app.router.add_get(r"/reviews/{id:\d+}", reviews)
    app.on_cleanup.append(close)


if __name__ == "__main__":
    run("reviews", build)
