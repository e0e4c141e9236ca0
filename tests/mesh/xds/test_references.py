from __future__ import annotations

from mesh.model.http_filter import Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener, TcpProxy
from mesh.model.route import (
    DirectResponse,
    Forward,
    Mirror,
    Route,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)
from mesh.xds.references import clusters_of_listener, clusters_of_route, route_names

FORWARD = Forward((WeightedCluster("v1", 9), WeightedCluster("v2", 1)), mirrors=(Mirror("copy"),))
ROUTES = RouteConfiguration(
    "r",
    (
        VirtualHost(
            "h", ("*",), (Route(RouteMatch(), FORWARD), Route(RouteMatch(), DirectResponse(404, b"no")))
        ),
    ),
)


def listener(*filters: HttpConnectionManager | TcpProxy) -> Listener:
    *chains, last = [FilterChain(str(number), one) for number, one in enumerate(filters)]
    return Listener("l", "127.0.0.1", 1, tuple(chains), default_filter_chain=last)


def test_a_route_names_the_clusters_of_requests_and_of_their_copies() -> None:
    assert clusters_of_route(ROUTES) == {"v1", "v2", "copy"}


def test_a_listener_names_those_of_its_bytes_and_of_its_own_routes() -> None:
    inline = HttpConnectionManager("i", (Router(),), route_config=ROUTES)
    named = HttpConnectionManager("n", (Router(),), route_config_name="far")
    made = listener(TcpProxy("t", "", weighted_clusters=(("a", 1), ("b", 2))), named, inline)
    assert clusters_of_listener(made) == {"a", "b", "v1", "v2", "copy"}
    assert route_names([made]) == {"far"}
