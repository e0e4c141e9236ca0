from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh.http.message import Framing, Request
from mesh.model.route import (
    DirectResponse,
    Forward,
    HeaderMatch,
    QueryMatch,
    Route,
    RouteConfiguration,
    RouteMatch,
    StringMatch,
    VirtualHost,
    WeightedCluster,
)
from mesh.proxy.route import RouteTable, match_route, pick_destination
from mesh.xds.errors import Rejected


def request(path="/", authority="reviews:9080", method="GET", **headers):
    fields = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return Request(
        method.encode(), path.encode(), authority.encode(), fields, [], Framing.NONE, keep_alive=True
    )


def matches(match: RouteMatch, **asked) -> bool:
    table = RouteTable(
        RouteConfiguration("r", (VirtualHost("v", ("*",), (Route(match, DirectResponse(200)),)),))
    )
    return match_route(table, request(**asked)) is not None


def host_of(authority: str, *domains: str) -> str | None:
    hosts = tuple(
        VirtualHost(domain, (domain,), (Route(RouteMatch(), DirectResponse(200), domain),))
        for domain in domains
    )
    route = match_route(RouteTable(RouteConfiguration("r", hosts)), request(authority=authority))
    return route.name if route is not None else None


def test_virtual_hosts_exact_then_suffix_then_prefix_then_any():
    domains = ("*", "*.example.com", "*.b.example.com", "www.*", "a.b.example.com", "www.b.example.com:80")
    found = {
        name: host_of(name, *domains)
        for name in (
            "a.b.example.com",
            "x.b.example.com",
            "x.example.com",
            "www.org",
            "other",
            "WWW.b.example.COM:80",
        )
    }
    assert found == {
        "a.b.example.com": "a.b.example.com",
        "x.b.example.com": "*.b.example.com",
        "x.example.com": "*.example.com",
        "www.org": "www.*",
        "other": "*",
        "WWW.b.example.COM:80": "www.b.example.com:80",
    }


def test_a_wildcard_stands_for_at_least_one_character():
    assert host_of(".example.com", "*.example.com") is None
    assert host_of("nobody", "reviews") is None


def test_the_first_route_that_matches_wins():
    routes = (
        Route(RouteMatch(StringMatch("prefix", "/a")), DirectResponse(200), "first"),
        Route(RouteMatch(StringMatch("prefix", "/a/b")), DirectResponse(200), "never"),
        Route(RouteMatch(), DirectResponse(200), "rest"),
    )
    table = RouteTable(RouteConfiguration("r", (VirtualHost("v", ("*",), routes),)))
    names = [found.name for path in ("/a/b", "/c") if (found := match_route(table, request(path)))]
    assert names == ["first", "rest"]


def test_paths_are_compared_without_the_query():
    assert matches(RouteMatch(StringMatch("exact", "/a")), path="/a?x=1")
    assert not matches(RouteMatch(StringMatch("exact", "/a")), path="/a/")
    assert matches(RouteMatch(StringMatch("prefix", "/a")), path="/ab?x")
    assert matches(RouteMatch(StringMatch("regex", "/a.")), path="/ab?x")
    assert not matches(RouteMatch(StringMatch("regex", "/a")), path="/ab")
    assert matches(RouteMatch(StringMatch("prefix", "/A", ignore_case=True)), path="/ab")


def test_headers_all_must_hold():
    iphone = HeaderMatch("user-agent", StringMatch("regex", ".*iPhone.*"))
    jason = HeaderMatch("end-user", StringMatch("exact", "jason"))
    match = RouteMatch(headers=(iphone, jason))
    assert matches(match, user_agent="an iPhone \xff", end_user="jason")
    assert not matches(match, user_agent="an iPhone", end_user="jason2")
    assert not matches(match, user_agent="an iPhone")
    assert not matches(RouteMatch(headers=(HeaderMatch("a", StringMatch("regex", "iPhone")),)), a="an iPhone")


def test_presence_and_its_opposite():
    assert matches(RouteMatch(headers=(HeaderMatch("a"),)), a="")
    assert not matches(RouteMatch(headers=(HeaderMatch("a"),)))
    assert matches(RouteMatch(headers=(HeaderMatch("a", invert=True),)))
    without = RouteMatch(headers=(HeaderMatch("a", StringMatch("exact", "1"), invert=True),))
    assert matches(without)
    assert matches(without, a="2")
    assert not matches(without, a="1 ")


@pytest.mark.parametrize(("wanted", "found"), [("a", True), ("b", True), ("a, b", False), ("c", False)])
def test_of_several_values_of_a_header_any_may_match(wanted, found):
    header = HeaderMatch("x", StringMatch("exact", wanted))
    table = RouteTable(
        RouteConfiguration(
            "r",
            (VirtualHost("v", ("*",), (Route(RouteMatch(headers=(header,)), DirectResponse(200)),)),),
        )
    )
    asked = request(x="a")
    asked.repeats.append((b"x", b"b"))
    assert (match_route(table, asked) is not None) is found


def test_pseudo_headers():
    assert matches(RouteMatch(headers=(HeaderMatch(":method", StringMatch("exact", "PUT")),)), method="PUT")
    authority = HeaderMatch(":authority", StringMatch("prefix", "rev"))
    assert matches(RouteMatch(headers=(authority,)))
    assert matches(RouteMatch(headers=(HeaderMatch(":scheme", StringMatch("exact", "http")),)))


def test_query_parameters():
    one = RouteMatch(query=(QueryMatch("a", StringMatch("exact", "1")),))
    assert matches(one, path="/?b=2&a=1")
    assert not matches(one, path="/?a=2&a=1")
    assert not matches(one, path="/a=1")
    assert matches(RouteMatch(query=(QueryMatch("a"),)), path="/?a")


@given(st.text(alphabet="ab/?=&", max_size=12), st.text(alphabet="ab", max_size=3))
def test_a_prefix_matches_exactly_what_starts_with_it(path, prefix):
    found = matches(RouteMatch(StringMatch("prefix", "/" + prefix)), path="/" + path)
    assert found == ("/" + path).startswith("/" + prefix)


def forwarding(*weights):
    clusters = tuple(WeightedCluster(str(place), weight) for place, weight in enumerate(weights))
    config = RouteConfiguration("r", (VirtualHost("v", ("*",), (Route(RouteMatch(), Forward(clusters)),)),))
    found = match_route(RouteTable(config), request())
    assert found is not None
    return found


def test_weights_are_shares_and_zero_is_never_chosen():
    route, rng = forwarding(95, 0, 5), Random(1)
    counted = Counter(pick_destination(route, rng).cluster for _ in range(20_000))
    assert counted["1"] == 0
    assert 850 < counted["2"] < 1150


class Always:
    def __init__(self, value):
        self.value = value

    def random(self):
        return self.value


@pytest.mark.parametrize(("draw", "cluster"), [(0.0, "1"), (0.4999, "1"), (0.5, "3"), (1 - 2**-53, "3")])
def test_the_edges_of_the_draw_belong_to_somebody_with_weight(draw, cluster):
    assert pick_destination(forwarding(0, 50, 0, 50, 0), Always(draw)).cluster == cluster


def test_what_cannot_be_honoured_is_refused_with_its_place():
    bad = Route(RouteMatch(StringMatch("regex", "(")), DirectResponse(200))
    with pytest.raises(Rejected, match="r: v: regex"):
        RouteTable(RouteConfiguration("r", (VirtualHost("v", ("*",), (bad,)),)))
    with pytest.raises(Rejected, match="sum to 0"):
        forwarding(0)
    hosts = (VirtualHost("a", ("x",), ()), VirtualHost("b", ("X",), ()))
    with pytest.raises(Rejected, match="two virtual hosts"):
        RouteTable(RouteConfiguration("r", hosts))
