"""Which route takes a request: virtual hosts, paths, fields, query, and what is answered without one."""

from __future__ import annotations

import pytest
from differ.case import Case, case, get, raw
from differ.pair import Pair
from differ.resources import EMPTY, ORIGIN, Area, exact, prefix, to

from mesh.model.route import (
    DirectResponse,
    Forward,
    HeaderMatch,
    HeaderMutation,
    QueryMatch,
    Route,
    RouteMatch,
    StringMatch,
    VirtualHost,
    WeightedCluster,
)

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

ALL = RouteMatch()
ANY = StringMatch("prefix", "/")


def says(name: str, match: RouteMatch = ALL) -> Route:
    """A route that answers with its own name."""
    return Route(match, DirectResponse(200, name.encode()), name=name)


def header(name: str, match: StringMatch | None = None, *, invert: bool = False) -> RouteMatch:
    return RouteMatch(ANY, headers=(HeaderMatch(name, match, invert),))


def query(name: str, match: StringMatch | None = None) -> RouteMatch:
    return RouteMatch(ANY, query=(QueryMatch(name, match),))


def path(kind: str, value: str, *, ignore_case: bool = False) -> RouteMatch:
    return RouteMatch(StringMatch(kind, value, ignore_case))  # type: ignore[arg-type]


def host(name: str, *routes: Route, domains: tuple[str, ...] = ()) -> VirtualHost:
    return VirtualHost(name, domains or (name,), routes)


def string(kind: str, value: str, *, ignore_case: bool = False) -> StringMatch:
    return StringMatch(kind, value, ignore_case)  # type: ignore[arg-type]


AREA = Area(
    "routing",
    (
        host("exact.test", says("exact")),
        host("*.suffix.test", says("suffix")),
        host("*.long.suffix.test", says("longer suffix")),
        host("prefix.*", says("prefix")),
        host("prefix.long.*", says("longer prefix")),
        host("port.test:8080", says("with port")),
        host("both.test", says("both"), domains=("both.test", "both.test:80")),
        host(
            "paths",
            says("exact path", exact("/exact")),
            says("prefix with slash", prefix("/slash/")),
            says("prefix", prefix("/pre")),
            says("any case", path("exact", "/Case", ignore_case=True)),
            says("any case prefix", path("prefix", "/CasePre", ignore_case=True)),
            says("regex", path("regex", "/re/[0-9]+")),
            says("regex alternatives", path("regex", "/a|/b")),
            says("first of two", prefix("/two")),
            says("second of two", prefix("/two/more")),
        ),
        host(
            "headers",
            says("present", header("x-present")),
            says("absent", header("x-absent-if", invert=True)),
        ),
        host(
            "values",
            says("exact", header("x-exact", string("exact", "one"))),
            says("exact any case", header("x-case", string("exact", "One", ignore_case=True))),
            says("prefix", header("x-prefix", string("prefix", "pre"))),
            says("suffix", header("x-suffix", string("suffix", "fix"))),
            says("contains", header("x-contains", string("contains", "mid"))),
            says("regex", header("x-regex", string("regex", "v[0-9]+"))),
            says(
                "not exact",
                RouteMatch(
                    ANY,
                    headers=(HeaderMatch("x-not", string("exact", "one"), True), HeaderMatch("x-asks-not")),
                ),
            ),
            says("method", header(":method", string("exact", "PUT"))),
            says("scheme", RouteMatch(ANY, headers=(HeaderMatch(":scheme", string("exact", "https")),))),
            says(
                "two", RouteMatch(ANY, headers=(HeaderMatch("x-1"), HeaderMatch("x-2", string("exact", "b"))))
            ),
            says("cookie", header("cookie", string("regex", "^(.*?;)?(user=jason)(;.*)?$"))),
            says("agent", header("user-agent", string("regex", ".*(Mobile).*"))),
        ),
        host(
            "authority.test",
            says("by authority", header(":authority", string("exact", "authority.test"))),
            domains=("authority.test", "authority.test:*"),
        ),
        host(
            "query",
            says("present", query("here")),
            says("exact", query("exact", string("exact", "one"))),
            says("regex", query("regex", string("regex", "v[0-9]+"))),
            says("prefix", query("prefix", string("prefix", "pre"))),
        ),
        host(
            "missing", Route(prefix("/"), to("outbound|1||nowhere.default.svc.cluster.local"), name="missing")
        ),
        host("empty", Route(prefix("/"), to(EMPTY))),
        host(
            "weights",
            Route(prefix("/one"), Forward((WeightedCluster(ORIGIN, 100), WeightedCluster(EMPTY, 0)))),
            Route(
                prefix("/mutated"),
                Forward(
                    (
                        WeightedCluster(
                            ORIGIN,
                            1,
                            HeaderMutation(set=(("x-cluster", "yes"),)),
                            HeaderMutation(add=(("x-answer", "yes"),)),
                        ),
                    )
                ),
            ),
        ),
        host("none"),
    ),
)


def ask(name: str, where: str, path: str = "/", *lines: str, method: str = "GET") -> Case:
    return case(name, "routing", get(path, *lines, host=where, method=method))


CASES = (
    ask("exact domain", "exact.test"),
    ask("exact domain in capitals", "EXACT.TEST"),
    ask("exact domain with a port", "exact.test:80"),
    ask("exact domain with a dot", "exact.test."),
    ask("suffix domain", "a.suffix.test"),
    ask("suffix domain, longest first", "a.long.suffix.test"),
    ask("suffix domain, deeper", "a.b.suffix.test"),
    ask("suffix domain, nothing before", "suffix.test"),
    ask("suffix domain with a port", "a.suffix.test:80"),
    ask("prefix domain", "prefix.org"),
    ask("prefix domain, longest first", "prefix.long.org"),
    ask("prefix domain, nothing after", "prefix."),
    ask("domain of a port", "port.test:8080"),
    ask("domain of a port without it", "port.test"),
    ask("domain with and without port", "both.test:80"),
    ask("no domain", "elsewhere.test"),
    ask("a host without routes", "none"),
    ask("exact path", "paths", "/exact"),
    ask("exact path with a query", "paths", "/exact?a=b"),
    ask("exact path and more", "paths", "/exact/"),
    ask("exact path in capitals", "paths", "/EXACT"),
    ask("exact path escaped", "paths", "/%65xact"),
    ask("prefix path", "paths", "/pre"),
    ask("prefix path and more", "paths", "/prefer"),
    ask("prefix path with slash", "paths", "/slash/a"),
    ask("prefix path without its slash", "paths", "/slash"),
    ask("prefix path, query only", "paths", "/pr?e=/pre"),
    ask("path of any case", "paths", "/cASE"),
    ask("path prefix of any case", "paths", "/casepre/x"),
    ask("path regex", "paths", "/re/123"),
    ask("path regex with a query", "paths", "/re/123?x=y"),
    ask("path regex, more after", "paths", "/re/123x"),
    ask("path regex, nothing", "paths", "/re/"),
    ask("path regex, alternatives match whole", "paths", "/ab"),
    ask("path regex, second alternative", "paths", "/b"),
    ask("first route wins", "paths", "/two/more"),
    ask("dots in the path", "paths", "/x/../exact"),
    ask("two slashes in the path", "paths", "//exact"),
    ask("path parameter", "paths", "/exact;a=b"),
    ask("header is there", "headers", "/", "x-present: 1"),
    ask("header is there, empty", "headers", "/", "x-present:"),
    ask("header is not there", "headers"),
    ask("header is there that should not", "headers", "/", "x-absent-if: 1"),
    ask("header exact", "values", "/", "x-exact: one"),
    ask("header exact, another case", "values", "/", "x-exact: ONE"),
    ask("header exact, more", "values", "/", "x-exact: one two"),
    ask("header exact, spaces around", "values", "/", "x-exact:   one  "),
    ask("header exact, twice", "values", "/", "x-exact: one", "x-exact: one"),
    ask("header exact, a list that is it", "values", "/", "x-exact: on", "x-exact: e"),
    ask("header exact of any case", "values", "/", "x-case: oNE"),
    ask("header prefix", "values", "/", "x-prefix: prefer"),
    ask("header suffix", "values", "/", "x-suffix: suffix"),
    ask("header contains", "values", "/", "x-contains: amidst"),
    ask("header regex", "values", "/", "x-regex: v12"),
    ask("header regex, more after", "values", "/", "x-regex: v12a"),
    ask("header regex, another case", "values", "/", "x-regex: V12"),
    ask("header regex over two fields", "values", "/", "x-regex: v1", "x-regex: v2"),
    ask("header not exact", "values", "/", "x-asks-not: 1", "x-not: two"),
    ask("header not exact, but it is", "values", "/", "x-asks-not: 1", "x-not: one"),
    ask("header exact, the second of two", "values", "/", "x-exact: two", "x-exact: one"),
    ask("header not exact, one of two is", "values", "/", "x-asks-not: 1", "x-not: two", "x-not: one"),
    ask("header not exact, the first of two is", "values", "/", "x-asks-not: 1", "x-not: one", "x-not: two"),
    ask("header not exact, not there", "values", "/", "x-asks-not: 1"),
    ask("method", "values", method="PUT"),
    ask("two headers", "values", "/", "x-1: a", "x-2: b"),
    ask("one of two headers", "values", "/", "x-1: a"),
    ask("cookie", "values", "/", "cookie: a=b;user=jason;c=d"),
    ask("cookie of another", "values", "/", "cookie: user=jasons"),
    ask("user agent", "values", "/", "user-agent: A Mobile Thing"),
    ask("scheme from x-forwarded-proto", "values", "/", "x-forwarded-proto: https"),
    ask("authority", "authority.test"),
    ask("query is there", "query", "/?here"),
    ask("query is there with a value", "query", "/?a=b&here=1"),
    ask("query is not there", "query", "/?there=1"),
    ask("query exact", "query", "/?exact=one"),
    ask("query exact, escaped", "query", "/?exact=%6Fne"),
    ask("query exact, name escaped", "query", "/?%65xact=one"),
    ask("query exact, twice", "query", "/?exact=one&exact=two"),
    ask("query exact, twice the other way", "query", "/?exact=two&exact=one"),
    ask("query exact, plus", "query", "/?exact=one+"),
    ask("query regex", "query", "/?regex=v1"),
    ask("query regex, more", "query", "/?regex=v1x"),
    ask("query prefix", "query", "/?prefix=prefer"),
    ask("query in the fragment's place", "query", "/?x=y?here=1"),
    ask("query with a semicolon", "query", "/?a=b;here=1"),
    ask("missing cluster", "missing"),
    ask("cluster without endpoints", "empty"),
    ask("all the weight on one", "weights", "/one"),
    ask("headers of a weighted cluster", "weights", "/mutated"),
    case(
        "absolute-form chooses the host",
        "RFC 9112 3.2.2",
        raw("GET http://exact.test/ HTTP/1.1\nhost: elsewhere.test\n\n"),
    ),
    case("no route, with a body", "routing", get("/", host="elsewhere.test", method="POST", body=b"hello")),
    case(
        "no route, body to come",
        "routing",
        raw("POST / HTTP/1.1\nhost: elsewhere.test\ncontent-length: 5\n\nhe"),
    ),
    case("no route, HEAD", "routing", get("/", host="elsewhere.test", method="HEAD")),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_routing(case: Case, pair: Pair) -> None:
    await pair.check(case)
