"""The four services as real processes' applications, wired to each other through a real forward proxy."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from labs.apps import details, productpage, ratings, reviews
from labs.apps.serving import Settings, application

IPHONE = {"user-agent": "iPhone", "end-user": "jason", "x-request-id": "r-1", "accept-language": "en"}
BUILDERS = {"productpage": productpage, "details": details, "ratings": ratings, "reviews": reviews}


@dataclass
class Shop:
    """The services by name, and what each wrote into its request log."""

    base: str = ""
    logs: dict[str, io.StringIO] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def log(self, service: str) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.logs[service].getvalue().splitlines()]


@asynccontextmanager
async def serving(app: web.Application, port: int) -> AsyncIterator[None]:
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def forward_proxy(shop: Shop) -> web.Application:
    """Takes absolute-form requests and passes them to the service of that host: the sidecar's place."""

    async def forward(request: web.Request) -> web.Response:
        port = shop.ports.get(request.host.partition(":")[0])
        if port is None:
            return web.Response(status=503)
        url = f"http://127.0.0.1:{port}{request.path}"
        async with aiohttp.ClientSession() as session, session.get(url, headers=request.headers) as answer:
            return web.Response(
                body=await answer.read(), status=answer.status, content_type=answer.content_type
            )

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", forward)
    return app


@pytest.fixture
async def shop(
    request: pytest.FixtureRequest,
    unused_tcp_port_factory: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Shop]:
    """All four services; the parameter is the version of reviews and which services are left out."""
    version, absent = getattr(request, "param", ("v1", ()))
    shop, proxy_port = Shop(), unused_tcp_port_factory()
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy_port}")
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(serving(forward_proxy(shop), proxy_port))
        for name, module in BUILDERS.items():
            if name not in absent:
                settings = Settings("127.0.0.1", 0, version, f"{name}-{version}-0", "null", "-")
                shop.logs[name] = io.StringIO()
                app = application(name, settings, shop.logs[name])
                module.build(app, settings)
                shop.ports[name] = unused_tcp_port_factory()
                await stack.enter_async_context(serving(app, shop.ports[name]))
        shop.base = f"http://127.0.0.1:{shop.ports['productpage']}"
        yield shop


async def get(shop: Shop, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(shop.base + path, headers=IPHONE) as answer:
        return answer.status, await answer.text()


@pytest.mark.parametrize(
    ("shop", "color"), [(("v1", ()), None), (("v2", ()), "black"), (("v3", ()), "red")], indirect=["shop"]
)
async def test_each_version_of_reviews_has_its_stars(shop: Shop, color: str | None) -> None:
    status, text = await get(shop, "/api/v1/products/0/reviews")
    body = json.loads(text)
    assert (status, body["id"], body["clustername"]) == (200, "0", "null")
    assert body["podname"].startswith("reviews-v")
    assert [review.get("rating", {}).get("color") for review in body["reviews"]] == [color, color]
    assert len(shop.log("ratings")) == (0 if color is None else 1)


async def test_the_page_shows_details_and_who_served_the_reviews(shop: Shop) -> None:
    status, text = await get(shop, "/productpage")
    assert status == 200
    assert "William Shakespeare" in text
    assert "reviews-v1-0" in text


async def test_the_catalogue_and_a_product(shop: Shop) -> None:
    assert json.loads((await get(shop, "/api/v1/products"))[1])[0]["title"] == "The Comedy of Errors"
    assert json.loads((await get(shop, "/api/v1/products/0"))[1])["ISBN-10"] == "1234567890"
    assert json.loads((await get(shop, "/api/v1/products/0/ratings"))[1])["ratings"]["Reviewer1"] == 5


@pytest.mark.parametrize("shop", [("v2", ())], indirect=True)
async def test_what_identifies_the_user_and_the_request_reaches_the_last_hop(shop: Shop) -> None:
    await get(shop, "/productpage")
    for service in ("productpage", "details", "reviews", "ratings"):
        (line,) = shop.log(service)
        assert (line["user_agent"], line["request_id"]) == ("iPhone", "r-1")
        assert (line["service"], line["status"]) == (service, 200)


async def test_health_is_answered_and_not_logged(shop: Shop) -> None:
    assert (await get(shop, "/health"))[0] == 200
    assert shop.log("productpage") == []


async def test_an_unknown_path_is_404_and_logged(shop: Shop) -> None:
    assert (await get(shop, "/nowhere"))[0] == 404
    assert [line["status"] for line in shop.log("productpage")] == [404]


@pytest.mark.parametrize("shop", [("v2", ("ratings",))], indirect=True)
async def test_without_ratings_reviews_say_so_and_still_answer(shop: Shop) -> None:
    status, text = await get(shop, "/api/v1/products/0/reviews")
    assert status == 200
    assert json.loads(text)["reviews"][0]["rating"] == {"error": "Ratings service is currently unavailable"}


@pytest.mark.parametrize("shop", [("v1", ("reviews", "details"))], indirect=True)
async def test_without_the_others_the_front_page_apologises_and_the_api_fails(shop: Shop) -> None:
    status, text = await get(shop, "/productpage")
    assert status == 200
    assert "reviews are currently unavailable" in text
    assert "details are currently unavailable" in text
    assert (await get(shop, "/api/v1/products/0/reviews"))[0] == 503
