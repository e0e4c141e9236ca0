import pytest

from mesh.http.message import Framing, Request
from mesh.model.route import (
    DirectResponse,
    Forward,
    Redirect,
    RegexRewrite,
    Route,
    RouteMatch,
    StringMatch,
    WeightedCluster,
)
from mesh.proxy.rewrite import compile_regex_rewrite, redirect_reply, rewrite
from mesh.xds.errors import Rejected

FIELDS = {b"x-forwarded-proto": b"http"}


def request(path=b"/old/x?q=1", authority=b"a.example:8080"):
    return Request(b"GET", path, authority, FIELDS | {b"host": authority}, [], Framing.NONE, True)


def route(kind="prefix", value="/old"):
    return Route(RouteMatch(StringMatch(kind, value)), DirectResponse(200))


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [("prefix", "/old", b"/new/x?q=1"), ("exact", "/old/x", b"/new?q=1"), ("regex", "/o.*", b"/new?q=1")],
)
def test_a_prefix_rewrite_keeps_the_query_and_tells_the_original(kind, value, expected):
    changed = request()
    rewrite(changed, route(kind, value), Forward((WeightedCluster("c"),), prefix_rewrite="/new"))
    assert changed.path == expected
    assert changed.fields[b"x-envoy-original-path"] == b"/old/x?q=1"


def test_a_host_rewrite_changes_what_the_upstream_sees():
    changed = request()
    rewrite(changed, route(), Forward((WeightedCluster("c"),), host_rewrite="b"))
    assert (changed.authority, changed.fields[b"host"]) == (b"b", b"b")


@pytest.mark.parametrize(
    ("redirect", "location"),
    [
        (Redirect(), b"http://a.example:8080/old/x?q=1"),
        (Redirect(host="b"), b"http://b:8080/old/x?q=1"),
        (Redirect(path="/new"), b"http://a.example:8080/new?q=1"),
        (Redirect(path="/new?z"), b"http://a.example:8080/new?z"),
        (Redirect(prefix_rewrite="/new"), b"http://a.example:8080/new/x?q=1"),
        (Redirect(scheme="https", port=443), b"https://a.example:443/old/x?q=1"),
        (Redirect(port=9), b"http://a.example:9/old/x?q=1"),
    ],
)
def test_redirects_change_only_what_they_say(redirect, location):
    reply = redirect_reply(request(), route(), redirect)
    assert (reply.status, reply.fields) == (301, ((b"location", location),))


def test_https_redirect_drops_the_old_default_port():
    reply = redirect_reply(request(authority=b"a:80"), route(), Redirect(scheme="https"))
    assert reply.fields[0][1] == b"https://a/old/x?q=1"


@pytest.mark.parametrize(
    ("pattern", "substitution", "path", "expected"),
    [
        (r"^/service/([^/]+)(/.*)$", r"\2/instance/\1", b"/service/foo/v1/api", b"/v1/api/instance/foo"),
        ("one", "two", b"/xxx/one/yyy/one/zzz", b"/xxx/two/yyy/two/zzz"),
        ("(?i)/xxx/", "/yyy/", b"/aaa/XxX/bbb", b"/aaa/yyy/bbb"),
        ("b*", "x", b"/abc", b"x/xaxcx"),
        ("/a", r"[\0]\\", b"/a/b", b"[/a]\\/b"),
        ("(/z)?/a", r"<\1>", b"/a", b"<>"),
        ("nothing", "x", b"/a", b"/a"),
    ],
)
def test_a_regex_rewrite_replaces_every_match(pattern, substitution, path, expected):
    assert compile_regex_rewrite(RegexRewrite(pattern, substitution))(path) == expected


def test_a_regex_rewrite_leaves_the_query_and_tells_the_original():
    changed = request(b"/a/x?a=/a")
    forward = Forward((WeightedCluster("c"),), regex_rewrite=RegexRewrite("/a", "/b"))
    rewrite(changed, route(), forward, compile_regex_rewrite(forward.regex_rewrite))
    assert changed.path == b"/b/x?a=/a"
    assert changed.fields[b"x-envoy-original-path"] == b"/a/x?a=/a"


@pytest.mark.parametrize(("pattern", "substitution"), [("(", "x"), ("a", r"\1"), ("a", "x\\"), ("a", r"\n")])
def test_a_rewrite_that_makes_no_sense_is_refused(pattern, substitution):
    with pytest.raises(Rejected, match="regex_rewrite"):
        compile_regex_rewrite(RegexRewrite(pattern, substitution))
