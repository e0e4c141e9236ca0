"""Values made of an exchange's facts."""

from __future__ import annotations

import re

import pytest

from mesh.model.route import HeaderMutation, Route, RouteMatch
from mesh.model.substitution import PLAIN
from mesh.proxy.substitution import _SOURCES, Template, compile_value
from mesh.xds.errors import Rejected


def test_every_command_has_a_source():
    assert set(_SOURCES) == PLAIN


def test_a_value_without_commands_is_bytes():
    assert compile_value("100%%") == b"100%"
    assert isinstance(compile_value("%PROTOCOL%"), Template)
    with pytest.raises(Rejected, match="WHAT"):
        compile_value("%WHAT%")


async def test_requests_and_responses_carry_what_is_known_of_them(serve, make, proxy):
    origin = await proxy.origin(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-mood: good\r\n\r\nok")
    request = HeaderMutation(
        set=(
            ("x-who", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% by %PROTOCOL%"),
            ("x-stage", "%REQ(X-STAGE?X-ENV):4%"),
            ("x-at", "%START_TIME%"),
            ("x-nothing", "%REQ(x-none)%"),
            ("x-asked", "%REQ(:METHOD)% %REQ(:PATH)% of %REQ(:AUTHORITY)%"),
        )
    )
    response = HeaderMutation(
        set=(
            ("x-mood", "%RESP(X-MOOD)%, %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%"),
            ("x-from", "%UPSTREAM_CLUSTER% at %UPSTREAM_HOST% by %ROUTE_NAME%"),
        )
    )
    forward = make.forward("c")
    route = Route(RouteMatch(), forward, "named", request_headers=request, response_headers=response)
    client = await serve(make.routes(route), make.cluster("c", origin.port))
    _, fields, _ = await client.get("/a?b=c", "reviews", "x-env: production", "x-nothing: kept")
    head = origin.requests[0].decode()
    assert "x-who: 127.0.0.1 by HTTP/1.1\r\n" in head
    assert "x-stage: prod\r\n" in head
    assert "x-asked: GET /a?b=c of reviews\r\n" in head
    assert "x-nothing: kept\r\n" in head
    assert re.search(r"x-at: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\r\n", head)
    assert fields["x-mood"] == "good, 200 - via_upstream"
    assert fields["x-from"] == f"c at 127.0.0.1:{origin.port} by named"
