"""What a route does besides forwarding: rewrites, redirects, direct answers, header mutations."""

from __future__ import annotations

import pytest
from differ.case import Case, case, get, raw
from differ.pair import Pair
from differ.resources import FRESH, ORIGIN, REFUSED, Area, exact, prefix, to

from mesh.model.route import (
    DirectResponse,
    Forward,
    HeaderMutation,
    Redirect,
    Route,
    RouteMatch,
    StringMatch,
    VirtualHost,
    WeightedCluster,
)

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

MUTATION = HeaderMutation(
    set=(("x-set", "route"), ("x-level", "route")), add=(("x-add", "route"),), remove=("x-gone", "x-absent")
)
ANSWER = HeaderMutation(
    set=(("x-answer", "route"), ("x-level", "route")), add=(("x-more", "1"),), remove=("x-drop",)
)
MADE = HeaderMutation(
    set=(
        ("x-who", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% by %PROTOCOL%"),
        ("x-direct", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
        ("x-here", "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%"),
        ("x-stage", "%REQ(X-STAGE?X-ENV)% %REQ(X-ENV):3%"),
        ("x-asked", "%REQ(:METHOD)% %REQ(:PATH)% of %REQ(:AUTHORITY)%"),
        ("x-kept", "%REQ(X-NONE)%"),
        ("x-percent", "100%% of %ROUTE_NAME%"),
        ("x-host-name", "%HOSTNAME%"),
        ("x-tls", "%DOWNSTREAM_TLS_VERSION%%DOWNSTREAM_PEER_URI_SAN%%REQUESTED_SERVER_NAME%"),
    ),
    add=(("x-add", "%UPSTREAM_CLUSTER%"),),
)
MADE_OF_ANSWER = HeaderMutation(
    set=(
        ("x-mood", "%RESP(X-MOOD)%, %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%"),
        ("x-from", "%UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW% by %ROUTE_NAME%"),
        ("x-got", "%BYTES_RECEIVED%"),
    )
)


def host(name: str, *routes: Route) -> VirtualHost:
    return VirtualHost(name, (name,), routes)


AREA = Area(
    "actions",
    (
        host(
            "rewrite",
            Route(prefix("/old/"), to(prefix_rewrite="/new/")),
            Route(prefix("/strip"), to(prefix_rewrite="/")),
            Route(exact("/exact"), to(prefix_rewrite="/other")),
            Route(RouteMatch(StringMatch("prefix", "/CASE", True)), to(prefix_rewrite="/lower")),
            Route(RouteMatch(StringMatch("regex", "/re/.*")), to(host_rewrite="regex.test")),
            Route(prefix("/host"), to(host_rewrite="rewritten.test")),
            Route(prefix("/both"), to(host_rewrite="rewritten.test:81", prefix_rewrite="/path")),
        ),
        host(
            "redirect",
            Route(prefix("/path"), Redirect(path="/elsewhere")),
            Route(prefix("/query"), Redirect(path="/elsewhere?x=y")),
            Route(prefix("/prefix/"), Redirect(prefix_rewrite="/moved/")),
            Route(prefix("/host"), Redirect(host="other.test")),
            Route(prefix("/port"), Redirect(port=8443)),
            Route(prefix("/scheme"), Redirect(scheme="https")),
            Route(prefix("/all"), Redirect(308, "other.test", 8443, "https", "/x")),
            Route(prefix("/302"), Redirect(302, path="/x")),
            Route(prefix("/303"), Redirect(303, path="/x")),
            Route(prefix("/307"), Redirect(307, path="/x")),
            Route(prefix("/https-port"), Redirect(scheme="https", port=443)),
            Route(prefix("/default-port"), Redirect(host="other.test", port=80)),
            Route(prefix("/headers"), Redirect(path="/x"), response_headers=ANSWER),
        ),
        host(
            "direct",
            Route(prefix("/ok"), DirectResponse(200, b"hello")),
            Route(prefix("/empty"), DirectResponse(200)),
            Route(prefix("/204"), DirectResponse(204)),
            Route(prefix("/304"), DirectResponse(304)),
            Route(prefix("/404"), DirectResponse(404, b"gone")),
            Route(prefix("/503"), DirectResponse(503, b"busy")),
            Route(prefix("/headers"), DirectResponse(200, b"x"), response_headers=ANSWER),
            Route(
                prefix("/json"),
                DirectResponse(200, b"{}"),
                response_headers=HeaderMutation(set=(("content-type", "application/json"),)),
            ),
        ),
        host(
            "mutate",
            Route(prefix("/route"), to(), request_headers=MUTATION, response_headers=ANSWER),
            Route(
                prefix("/cluster"),
                Forward(
                    (
                        WeightedCluster(
                            ORIGIN,
                            1,
                            HeaderMutation(set=(("x-level", "cluster"),), add=(("x-add", "cluster"),)),
                            HeaderMutation(set=(("x-level", "cluster"),), remove=("x-drop",)),
                        ),
                    )
                ),
                request_headers=MUTATION,
                response_headers=ANSWER,
            ),
            Route(
                prefix("/agent"),
                to(),
                request_headers=HeaderMutation(set=(("user-agent", "mesh"),), remove=("accept",)),
            ),
            Route(prefix("/refused"), to(REFUSED), response_headers=ANSWER),
            Route(prefix("/missing"), to("nowhere"), response_headers=ANSWER),
            Route(prefix("/none"), to(FRESH)),
            Route(prefix("/made"), to(), "made", request_headers=MADE, response_headers=MADE_OF_ANSWER),
            Route(prefix("/said"), DirectResponse(200, b"x"), "said", response_headers=MADE_OF_ANSWER),
        ),
    ),
    request_headers=HeaderMutation(set=(("x-level", "configuration"),), add=(("x-add", "configuration"),)),
    response_headers=HeaderMutation(set=(("x-level", "configuration"),), add=(("x-all", "yes"),)),
)


def ask(where: str, path: str, *lines: str, name: str = "", method: str = "GET") -> Case:
    return case(name or f"{where} {path}", "routes", get(path, *lines, host=where, method=method))


CASES = (
    ask("rewrite", "/old/a?b=c"),
    ask("rewrite", "/old/"),
    ask("rewrite", "/strip"),
    ask("rewrite", "/strip/a"),
    ask("rewrite", "/stripper"),
    ask("rewrite", "/strip?a=b"),
    ask("rewrite", "/exact?a=b"),
    ask("rewrite", "/case/a"),
    ask("rewrite", "/re/x"),
    ask("rewrite", "/host"),
    ask("rewrite", "/both/x?y=z"),
    ask("redirect", "/path/a"),
    ask("redirect", "/path?a=b"),
    ask("redirect", "/query"),
    ask("redirect", "/query?a=b"),
    ask("redirect", "/prefix/a?b=c"),
    ask("redirect", "/host/a?b=c"),
    ask("redirect", "/port/a"),
    ask("redirect", "/scheme/a"),
    ask("redirect", "/all/a?b=c"),
    ask("redirect", "/302"),
    ask("redirect", "/303"),
    ask("redirect", "/307", method="POST"),
    ask("redirect", "/default-port"),
    ask("redirect", "/https-port"),
    ask("redirect", "/headers"),
    ask("redirect", "/scheme", "x-forwarded-proto: https", name="redirect, behind TLS"),
    case("redirect, host with a port", "routes", raw("GET /path HTTP/1.1\nhost: redirect:80\n\n")),
    ask("redirect", "/path", name="redirect HEAD", method="HEAD"),
    ask("direct", "/ok"),
    ask("direct", "/ok", name="direct HEAD", method="HEAD"),
    ask("direct", "/empty"),
    ask("direct", "/204"),
    ask("direct", "/304"),
    ask("direct", "/404"),
    ask("direct", "/503"),
    ask("direct", "/headers"),
    ask("direct", "/json"),
    ask("mutate", "/route", "x-set: client", "x-add: client", "x-gone: 1", "x-level: client"),
    ask("mutate", "/route", "x-gone: 1", "x-gone: 2", name="remove a field that is there twice"),
    ask("mutate", "/route", "x-set: 1", "x-set: 2", name="set a field that is there twice"),
    ask("mutate", "/cluster", "x-drop: 1"),
    ask("mutate", "/agent", "accept: */*", "user-agent: test"),
    ask("mutate", "/refused"),
    ask("mutate", "/missing"),
    ask("mutate", "/none"),
    ask("mutate", "/made/x?y=z", "x-env: production", "x-kept: 1"),
    ask("mutate", "/made", "x-stage: a", "x-stage: b", name="made of a field that is there twice"),
    ask("mutate", "/said", name="made for a direct answer"),
    ask("mutate", "/nowhere-else", name="no route, but the configuration's headers"),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_actions(case: Case, pair: Pair) -> None:
    await pair.check(case)
