"""productpage: the front page of the bookshop, made of what details and reviews answer.

GET /productpage                      the page
GET /api/v1/products                  the catalogue
GET /api/v1/products/{id}             from details
GET /api/v1/products/{id}/reviews     from reviews
GET /api/v1/products/{id}/ratings     from ratings
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from html import escape
from typing import Any

from aiohttp import web

from labs.apps.serving import Handler, Settings, run
from labs.apps.upstream import Upstream

PRODUCT = {
    "id": 0,
    "title": "The Comedy of Errors",
    "descriptionHtml": "<p>Two sets of twins, parted in a shipwreck, meet again in one town.</p>",
}
PAGE = """<!DOCTYPE html>
<html><head><title>Simple Bookstore App</title></head><body>
<h1>{title}</h1>
{description}
<h2>Book Details</h2>
{details}
<h2>Book Reviews</h2>
{reviews}
</body></html>
"""


def stars(rating: dict[str, Any] | None) -> str:
    """The stars of one review as HTML: none (v1), coloured, or the reason there are none."""
    if rating is None:
        return ""
    if "error" in rating:
        return f"<p><i>{escape(rating['error'])}</i></p>"
    filled, color = int(rating["stars"]), escape(rating["color"])
    return f'<p style="color:{color}">{"★" * filled}{"☆" * (5 - filled)}</p>'


def reviews_html(status: int, body: Any) -> str:
    if status != 200 or body is None:
        return "<p>Sorry, product reviews are currently unavailable for this book.</p>"
    quotes = "".join(
        f"<blockquote><p>{escape(review['text'])}</p><small>{escape(review['reviewer'])}</small></blockquote>"
        + stars(review.get("rating"))
        for review in body["reviews"]
    )
    return f"{quotes}<p>Reviews served by: <u>{escape(body['podname'])}</u></p>"


def details_html(status: int, body: Any) -> str:
    if status != 200 or body is None:
        return "<p>Sorry, product details are currently unavailable for this book.</p>"
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(str(fact))}</dd>" for name, fact in body.items())
    return f"<dl>{facts}</dl>"


def relay(upstream: Upstream, path: Callable[[str], str], error: str) -> Handler:
    """A handler that answers what another service answers, or 503 and a sentence."""

    async def handler(request: web.Request) -> web.Response:
        status, body = await upstream.get(path(request.match_info["id"]), request.headers)
        if body is None:
            return web.json_response({"error": error}, status=status if status >= 400 else 503)
        return web.json_response(body, status=status)

    return handler


def build(app: web.Application, settings: Settings) -> None:
    details, reviews, ratings = Upstream("details"), Upstream("reviews"), Upstream("ratings")

    async def page(request: web.Request) -> web.Response:
        facts, opinions = await asyncio.gather(
            details.get("/details/0", request.headers), reviews.get("/reviews/0", request.headers)
        )
        text = PAGE.format(
            title=PRODUCT["title"],
            description=PRODUCT["descriptionHtml"],
            details=details_html(*facts),
            reviews=reviews_html(*opinions),
        )
        return web.Response(text=text, content_type="text/html")

    async def products(request: web.Request) -> web.Response:
        return web.json_response([PRODUCT])

    async def close(app: web.Application) -> None:
        for upstream in (details, reviews, ratings):
            await upstream.close()

    one = r"/api/v1/products/{id:\d+}"
    sorry = "Sorry, product {} are currently unavailable for this book."
    app.router.add_get("/productpage", page)
    app.router.add_get("/api/v1/products", products)
    app.router.add_get(one, relay(details, "/details/{}".format, sorry.format("details")))
    app.router.add_get(one + "/reviews", relay(reviews, "/reviews/{}".format, sorry.format("reviews")))
    app.router.add_get(one + "/ratings", relay(ratings, "/ratings/{}".format, sorry.format("ratings")))
    app.on_cleanup.append(close)


if __name__ == "__main__":
    run("productpage", build)
