"""Cross-origin calls over real sockets: preflights, answers, and who is not allowed."""

from __future__ import annotations

import pytest

from mesh.model.route import CorsPolicy, Route, RouteMatch, StringMatch

POLICY = CorsPolicy(
    (StringMatch("exact", "https://a.com"), StringMatch("regex", r"https://[a-z]+\.b\.com")),
    allow_methods="GET,POST",
    allow_headers="x-a",
    expose_headers="x-b",
    max_age="600",
    allow_credentials=True,
)
PREFLIGHT = "OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: {}\r\nAccess-Control-Request-Method: PUT\r\n{}\r\n"


async def start(proxy, serve, make, policy=POLICY):
    origin = await proxy.origin(
        b"HTTP/1.1 200 OK\r\naccess-control-allow-origin: nobody\r\ncontent-length: 2\r\n\r\nhi"
    )
    route = Route(RouteMatch(), make.forward("c"), cors=policy)
    return await serve(make.routes(route), make.cluster("c", origin.port)), origin


def cors_fields(fields):
    return {
        name.removeprefix("access-control-"): value for name, value in fields.items() if "access-" in name
    }


@pytest.mark.parametrize("allowed", ["https://a.com", "https://www.b.com"])
async def test_a_preflight_is_answered_here(proxy, serve, make, allowed):
    client, origin = await start(proxy, serve, make)
    client.send(PREFLIGHT.format(allowed, "").encode())
    status, fields, body = await client.response()
    assert (status, body, origin.requests) == (200, b"", [])
    assert cors_fields(fields) == {
        "allow-origin": allowed,
        "allow-methods": "GET,POST",
        "allow-headers": "x-a",
        "allow-credentials": "true",
        "expose-headers": "x-b",
        "max-age": "600",
    }
    assert proxy.entries[0].response_code_details == "cors_response"


async def test_the_answer_to_an_allowed_origin_may_be_read(proxy, serve, make):
    client, origin = await start(proxy, serve, make)
    status, fields, body = await client.get("/", "a", "Origin: https://a.com")
    assert (status, body, len(origin.requests)) == (200, b"hi", 1)
    assert cors_fields(fields) == {
        "allow-origin": "https://a.com",
        "allow-credentials": "true",
        "expose-headers": "x-b",
    }


async def test_an_error_of_ours_may_be_read_too(proxy, serve, make):
    route = Route(RouteMatch(), make.forward("unknown"), cors=POLICY)
    client = await serve(make.routes(route))
    status, fields, _ = await client.get("/", "a", "Origin: https://a.com")
    assert (status, fields["access-control-allow-origin"]) == (503, "https://a.com")


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("Origin: https://evil.com",),
        ("Origin: https://a.com.evil.com",),
        ("Origin: https://x.b.com.evil",),
    ],
)
async def test_other_origins_and_none_get_nothing_of_ours(proxy, serve, make, lines):
    client, _ = await start(proxy, serve, make)
    _, fields, body = await client.get("/", "a", *lines)
    assert (body, cors_fields(fields)) == (b"hi", {"allow-origin": "nobody"})


async def test_a_preflight_of_another_origin_passes_unless_it_is_to_be_ignored(proxy, serve, make):
    client, origin = await start(proxy, serve, make)
    client.send(PREFLIGHT.format("https://evil.com", "").encode())
    assert (await client.response())[2] == b"hi"
    assert len(origin.requests) == 1
    policy = CorsPolicy(POLICY.allow_origins, "GET", forward_unmatched_preflights=False)
    client, origin = await start(proxy, serve, make, policy)
    client.send(PREFLIGHT.format("https://evil.com", "").encode())
    status, fields, _ = await client.response()
    assert (status, cors_fields(fields), origin.requests) == (200, {"allow-methods": "GET"}, [])


async def test_options_that_is_no_preflight_passes(proxy, serve, make):
    client, origin = await start(proxy, serve, make)
    client.send(b"OPTIONS / HTTP/1.1\r\nHost: a\r\nOrigin: https://a.com\r\n\r\n")
    _, fields, body = await client.response()
    assert (body, len(origin.requests)) == (b"hi", 1)
    assert fields["access-control-allow-origin"] == "https://a.com"


async def test_stars_allow_what_is_asked_for(proxy, serve, make):
    client, _ = await start(proxy, serve, make, CorsPolicy((StringMatch("exact", "*"),), "*", "*"))
    asked = "Access-Control-Request-Headers: x-1,x-2\r\n"
    client.send(PREFLIGHT.format("https://any.com", asked).encode())
    _, fields, _ = await client.response()
    assert cors_fields(fields) == {
        "allow-origin": "https://any.com",
        "allow-methods": "PUT",
        "allow-headers": "x-1,x-2",
    }
